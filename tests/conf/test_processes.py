"""A change of a setting is in force in every process within a second: two processes besides this one are asked."""

import time

import pytest

from audit.context import acting
from sop_portal import conf
from sop_portal.conf import services
from tests.jobs.processes import Process, running

ASK = """
import os, time
os.environ["DJANGO_SETTINGS_MODULE"] = "sop_portal.settings"
import django
django.setup()
from sop_portal import conf
last = None
while True:
    now = conf.get("currency"), conf.get("session_timeout_minutes")
    if now != last:
        print(f"{time.time():.3f}", *now, flush=True)
        last = now
    time.sleep(0.02)
"""
# A second by the design, and what a busy machine takes to let a process have its turn.
AT_MOST = 1.0 + 1.0


@pytest.mark.usefixtures("committed")
def test_a_change_reaches_every_process_within_a_second() -> None:
    others = [Process("-c", ASK, kind="command") for _ in range(2)]
    with running(*others):
        for other in others:
            other.wait_for("USD 480")
        with acting("system", source="command"):
            services.set_value("currency", "CHF", by=None)
            services.set_value("session_timeout_minutes", 30, by=None)
        changed = time.time()
        assert conf.get("currency") == "CHF"
        for other in others:
            other.wait_for("CHF 30", seconds=10)
            heard = next(float(line.split()[0]) for line in other.lines if "CHF 30" in line)
            assert heard - changed <= AT_MOST
