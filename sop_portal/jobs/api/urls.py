"""Addresses of the operations about jobs."""

from sop_portal.jobs.api import jobs
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("jobs", jobs.JobList, "jobs"),
    *route("jobs/<slug:name>/run", jobs.JobStart, "job-run"),
]
