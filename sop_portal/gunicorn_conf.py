"""How gunicorn serves the portal: `gunicorn --config python:sop_portal.gunicorn_conf sop_portal.wsgi:application`."""

import os
import signal
from typing import Any

from sop_portal.supervisor import kernel

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_PROCESSES", "2"))
# Each thread keeps one connection to PostgreSQL: processes x threads must stay well below its max_connections.
threads = int(os.environ.get("WEB_THREADS", "8"))
graceful_timeout = 5
keepalive = 5
accesslog = None
errorlog = "-"
control_socket_disable = True
# Whether a request came by https is decided once, by the settings (TRUSTED_PROXY_COUNT).
secure_scheme_headers: dict[str, str] = {}
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def post_fork(server: Any, worker: Any) -> None:
    """End a worker whose master was killed; on its own it would notice only when it is idle."""
    kernel.die_with_parent(signal.SIGKILL, server.pid)
