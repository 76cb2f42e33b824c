"""What gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from sop_portal import starting

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sop_portal.settings")
os.environ.setdefault("SOP_PROCESS", "web")

starting.prepare("web")
application = get_wsgi_application()
starting.ready("web")
