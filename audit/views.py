"""Pages of the trail: all entries, those about one object, those of one's own acts, and the CSV file."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import registry, words
from audit.filters import EntryFilter, Page, count_words
from audit.history import hidden_fields
from audit.models import Entry, EntryQuerySet
from sop_portal.lib.sheets import CsvWriter

CSV_HEADINGS = (
    "Time (UTC)", "Who", "On behalf of", "What", "About", "Id", "Name", "Changes", "Severity", "Source", "Address",
    "Browser", "Request",
)  # fmt: skip


@require_safe
@permission_required("audit.view_entry", raise_exception=True)
def entry_list(request: HttpRequest) -> HttpResponse:
    """The whole trail with filters."""
    form = EntryFilter(request.GET)
    return _list_page(request, "audit/entry_list.html", Entry.objects.visible_to(request.user), form)


@require_safe
def entry_mine(request: HttpRequest) -> HttpResponse:
    """What the person did."""
    form = EntryFilter(request.GET, with_actor=False)
    return _list_page(request, "audit/entry_mine.html", Entry.objects.visible_to(request.user).by(request.user), form)


@require_safe
def entry_history(request: HttpRequest, entity_type: str, entity_id: str) -> HttpResponse:
    """What happened to one object."""
    hidden = hidden_fields(request.user, entity_type, entity_id)
    if hidden is None:
        raise Http404("No such history.")
    entries = Entry.objects.about(entity_type, entity_id)
    page = Page(entries, request.GET.get("before", ""), request.GET.get("after", ""))
    told = [words.tell(entry, hidden) for entry in page.rows]
    if not told and registry.by_entity(entity_type) is None:
        raise Http404("No such history.")
    return render(
        request,
        "audit/entry_history.html",
        {
            "told": told,
            "type": words.type_words(entity_type),
            "label": (told[0].entry.label if told else "") or entity_id,
            "sees_origin": request.user.has_perm("audit.view_entry"),
            "pager": _pager(page, entries, ""),
        },
    )


@require_safe
@permission_required("audit.view_entry", raise_exception=True)
def entry_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Exactly the list that the filters in the address give, as a file."""
    form = EntryFilter(request.GET)
    if not form.is_valid():
        return _list_page(request, "audit/entry_list.html", Entry.objects.visible_to(request.user), form)
    entries = form.apply(Entry.objects.visible_to(request.user)).order_by("-at", "-id")
    response = StreamingHttpResponse(_csv_lines(entries), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y-%m-%d}.csv"'
    return response


def _list_page(request: HttpRequest, template: str, entries: EntryQuerySet, form: EntryFilter) -> HttpResponse:
    chosen = form.apply(entries)
    page = Page(chosen, request.GET.get("before", ""), request.GET.get("after", ""))
    context = {
        "form": form,
        "told": [words.tell(entry) for entry in page.rows],
        "query": form.query(),
        "pager": _pager(page, chosen, form.query()),
        "sees_origin": True,
        "sees_history": request.user.has_perm("audit.view_entry"),
    }
    return render(request, template, context, status=200 if form.is_valid() else 422)


def _pager(page: Page, entries: EntryQuerySet, query: str) -> dict[str, Any]:
    prefix = f"?{query}&" if query else "?"
    return {
        "total_text": count_words(entries),
        "previous_url": f"{prefix}after={page.newer}" if page.newer else "",
        "next_url": f"{prefix}before={page.older}" if page.older else "",
    }


class _Echo:
    """A file that hands each written line on."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines.append(line)
        return len(line)

    def take(self) -> str:
        """What was written since the last time."""
        text, self.lines = "".join(self.lines), []
        return text


def _csv_lines(entries: EntryQuerySet) -> Iterator[str]:
    echo = _Echo()
    writer = CsvWriter(echo)  # type: ignore[arg-type]
    writer.row(CSV_HEADINGS)
    for number, entry in enumerate(entries.iterator(chunk_size=2000)):
        told = words.tell(entry)
        changes = "; ".join(f"{field}: {old or 'empty'} → {new or 'empty'}" for field, old, new in told.changes)
        writer.row(
            [
                f"{entry.at:%Y-%m-%d %H:%M:%S}", told.actor, entry.on_behalf_label, told.action, told.type,
                entry.entity_id, entry.label, changes, told.severity, told.source, entry.ip or "", entry.user_agent,
                entry.request_id,
            ]
        )  # fmt: skip
        if number % 200 == 0:
            yield echo.take()
    yield echo.take()
