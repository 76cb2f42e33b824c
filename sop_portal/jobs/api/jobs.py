"""Jobs: when they run, what came of it, and a run by hand."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.jobs import overview, services
from sop_portal.jobs.models import JobRun
from sop_portal.lib.api import problems
from sop_portal.lib.api.lists import all_at_once
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.shapes import AllAtOnce
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.jobs import SCHEDULES

TAG = "Jobs"


class RunRow(serializers.Serializer):
    """One run of a job."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(JobRun.State.choices)
    started_by = serializers.ChoiceField(JobRun.StartedBy.choices)
    asked_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    counts = serializers.DictField(help_text="What it did, in numbers by name.")
    error = serializers.CharField()


class JobRow(serializers.Serializer):
    """A job."""

    name = serializers.CharField()
    does = serializers.CharField(help_text="What it does.")
    schedule = serializers.CharField(help_text="When it runs, in words.")
    enabled = serializers.BooleanField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    last_run = RunRow(allow_null=True)


class JobPage(AllAtOnce):
    """All jobs; there is one page of them."""

    results = JobRow(many=True)


def _run(run: JobRun | None) -> dict[str, Any] | None:
    return None if run is None else {str(name): getattr(run, str(name)) for name in RunRow().fields}


class JobList(ApiView):
    """All jobs."""

    @extend_schema(operation_id="jobs_list", tags=[TAG], responses={200: JobPage})
    def get(self, request: Request) -> Response:
        """Every job with its schedule, its last run and when it is due next."""
        if not request.user.has_perm("jobs.view_jobrun"):
            raise PermissionDenied("Only administrators see the jobs.")
        rows = [
            {
                "name": row.task.name,
                "does": row.task.description,
                "schedule": row.times,
                "enabled": row.task.enabled,
                "next_due_at": row.due,
                "last_run": _run(row.last),
            }
            for row in overview.rows()
        ]
        return all_at_once(rows)


class JobStart(ApiView):
    """A run by hand."""

    @extend_schema(operation_id="jobs_run", tags=[TAG], request=None, responses={202: RunRow})
    @repeatable
    def post(self, request: Request, name: str) -> Response:
        """Ask for a run now. Asked again while it waits, it is the same run; 409 while it is running."""
        if request.user.has_perm("jobs.run_job") and name not in SCHEDULES:
            raise NotFound(problems.NOT_FOUND)
        return Response(_run(services.run_now(name, by=request.user)), status=202)
