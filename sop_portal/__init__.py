"""The platform under the business apps. Importing it makes the Celery app the current one."""

from sop_portal.celery import app as celery_app

__all__ = ["celery_app"]
