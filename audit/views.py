"""Pages of the trail: all entries, the grave ones, those about one object, those of one's own acts, what they add up to,
the CSV file, and the state of the seal."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import archives, registry, retention, sealing, statistics, words
from audit.filters import EntryFilter, Page, SpanForm, count_words
from audit.history import hidden_fields
from audit.models import Entry, EntryQuerySet, Tombstone
from sop_portal import conf
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
@permission_required("audit.view_entry", raise_exception=True)
def entry_critical(request: HttpRequest) -> HttpResponse:
    """What an admin should have noticed: warnings, errors and critical events."""
    form = EntryFilter(request.GET, grave=True)
    return _list_page(request, "audit/entry_critical.html", Entry.objects.visible_to(request.user), form)


@require_safe
@permission_required("audit.view_entry", raise_exception=True)
def entry_statistics(request: HttpRequest) -> HttpResponse:
    """How much happened by day, person, action, type and source."""
    form = SpanForm(request.GET)
    span = form.span()
    context = {"form": form, "statistics": statistics.of(*span) if span else None}
    return render(request, "audit/entry_statistics.html", context, status=200 if span else 422)


@require_safe
@permission_required("audit.view_entry", raise_exception=True)
def seal_state(request: HttpRequest) -> HttpResponse:
    """How far the trail is sealed, when it was proved last, which months left it, and which are about to."""
    proofs = Entry.objects.visible_to(request.user).about("audit_seal", "").filter(action="audit_verified")
    verified = proofs.order_by("-at", "-id").first()
    context = {
        "state": sealing.state(),
        "verified": words.tell(verified) if verified else None,
        "has_sink": bool(settings.AUDIT_SEAL_SINK),
        "months": archives.kept(),
        "due": retention.due(),
        "archives": conf.get("audit_archive"),
        "days": conf.get("audit_log_retention_days"),
    }
    return render(request, "audit/seal_state.html", context)


@require_safe
def entry_mine(request: HttpRequest) -> HttpResponse:
    """What the person did."""
    form = EntryFilter(request.GET, by=request.user)
    return _list_page(request, "audit/entry_mine.html", Entry.objects.visible_to(request.user), form)


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
            "gone": retention.gone_words(),
            "is_end": not page.older,
            "pager": _pager(page, count_words(page.total), ""),
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
    clues = form.clues()
    gone = retention.gone(clues.since, clues.until)
    response = StreamingHttpResponse(_csv_lines(entries, gone), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y-%m-%d}.csv"'
    return response


def _list_page(request: HttpRequest, template: str, entries: EntryQuerySet, form: EntryFilter) -> HttpResponse:
    page = form.page(entries, request.GET.get("before", ""), request.GET.get("after", ""))
    context = {
        "form": form,
        "told": [words.tell(entry) for entry in page.rows],
        "query": form.query(),
        "pager": _pager(page, count_words(page.total), form.query()),
        "reached": page.reached,
        "gone": retention.gone_words(form.clues().since, form.clues().until),
        "is_end": not page.older,
        "sees_origin": True,
        "sees_history": request.user.has_perm("audit.view_entry"),
    }
    return render(request, template, context, status=200 if form.is_valid() else 422)


def _pager(page: Page, total: str, query: str) -> dict[str, Any]:
    prefix = f"?{query}&" if query else "?"
    return {
        "total_text": total,
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


def _csv_lines(entries: EntryQuerySet, gone: Sequence[Tombstone]) -> Iterator[str]:
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
    for stone in gone:
        # Whoever reads the file must not take a month that left the trail for one in which nothing happened.
        words_of_it = f"{stone.entries:,} entries left the trail" + (
            f", archived in {stone.archive}" if stone.archive else ""
        )
        writer.row([f"{stone.month:%Y-%m-%d %H:%M:%S}", "", "", words_of_it, "", "", str(stone), *[""] * 6])
    yield echo.take()
