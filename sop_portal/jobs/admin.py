"""Jobs in the admin: when each runs, what its last run did, running one now, and all runs."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django_celery_beat import admin as beats_own
from django_celery_beat import models as beat

from sop_portal.jobs import overview, services
from sop_portal.jobs.forms import ScheduleForm
from sop_portal.jobs.models import JobRun
from sop_portal.lib.errors import Conflict
from sop_portal.lib.jobs import SCHEDULES

# Importing the package's own pages is what registers them; instead of them there is one list of jobs.
for model, page in list(admin.site._registry.items()):
    if type(page).__module__ == beats_own.__name__:
        admin.site.unregister(model)


@admin.register(beat.PeriodicTask)
class ScheduleAdmin(admin.ModelAdmin):
    """The jobs that the code declares. Their times can be changed; which there are cannot."""

    form = ScheduleForm
    fields = ("does", "enabled", "minute", "hour", "day_of_week", "time_zone")
    readonly_fields = ("does",)
    change_form_template = "jobs/schedule_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(name__in=SCHEDULES)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.run_view)
        return [path("<slug:name>/run/", view, name="jobs_run_now"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Every job with its times, its last run and the next time it is due."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = overview.rows()
        context = {
            **self.admin_site.each_context(request),
            "title": overview.finding(rows),
            "rows": rows,
            "may_run": request.user.has_perm("jobs.run_job"),
            "may_change": self.has_change_permission(request),
            **(extra_context or {}),
        }
        return render(request, "jobs/job_list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        task = self.get_object(request, object_id)
        shown = {"title": f"When {task.name} runs", "subtitle": None} if task else {}
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    @admin.display(description="What it does")
    def does(self, task: beat.PeriodicTask) -> str:
        """The first sentence about the task."""
        return str(task.description)

    def run_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for a run, and show it."""
        if not request.user.has_perm("jobs.run_job"):
            raise PermissionDenied
        if name not in SCHEDULES:
            raise Http404("There is no such job.")
        if request.method != "POST":
            return redirect("admin:django_celery_beat_periodictask_changelist")
        try:
            run = services.run_now(name, by=request.user).pk
        except Conflict as refusal:
            messages.error(request, refusal.detail)
            run = refusal.extra["run"]
        else:
            messages.success(
                request, f"A run of {name} was asked for; a worker takes it up in a moment. Reload to see it end."
            )
        return redirect("admin:jobs_jobrun_change", run)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The history is the trail's."""
        return redirect("audit:history", "schedule", object_id)


@admin.register(JobRun)
class JobRunAdmin(admin.ModelAdmin):
    """Every run of every job, the newest first."""

    list_display = ("job", "result", "came_of_it", "started_by_whom", "asked_at", "took")
    list_filter = ("state", "started_by", "job")
    list_select_related = ("person",)
    list_per_page = 50
    date_hierarchy = "asked_at"
    fields = (
        "job", "state", "came_of_it", "started_by_whom", "due_at", "asked_at", "started_at", "ended_at", "took",
    )  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        tools = [{"label": "Jobs", "url": reverse("admin:django_celery_beat_periodictask_changelist")}]
        shown = {"title": "Runs of jobs", "portal_tools": tools}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The history is the trail's."""
        return redirect("audit:history", "job_run", object_id)

    @admin.display(description="State", ordering="state")
    def result(self, run: JobRun) -> str:
        """The state in words."""
        return run.get_state_display()

    @admin.display(description="What came of it")
    def came_of_it(self, run: JobRun) -> str:
        """Its numbers, or what went wrong."""
        return run.words

    @admin.display(description="Started by", ordering="started_by")
    def started_by_whom(self, run: JobRun) -> str:
        """The person, or what else started it."""
        return str(run.person or run.get_started_by_display())

    @admin.display(description="Took")
    def took(self, run: JobRun) -> str:
        """How long it went on."""
        if run.started_at is None or run.ended_at is None:
            return ""
        seconds = (run.ended_at - run.started_at).total_seconds()
        return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
