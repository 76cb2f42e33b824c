"""What services refuse by the position of a line, told by its place in the body."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sop_portal.lib.api.problems import Fault, NotAccepted, RevisionStale, pointer_of
from sop_portal.lib.errors import Refused, StaleRevision


@contextmanager
def placed(
    line_ids: Sequence[int],
    prefix: str = "",
    cells: Sequence[Mapping[str, int]] = (),
    now: Callable[[], Any] | None = None,
) -> Iterator[None]:
    """Name places below `prefix`; "" for a body of one line.

    line_ids: the lines in the order they were sent. cells: for each of them, where the cell of a period stands.
    now: what is stored of the one line, as it is sent.
    """
    try:
        yield
    except StaleRevision as refusal:
        raise _stale(refusal, line_ids, prefix, now) from refusal
    except Refused as refusal:
        raise NotAccepted(list(_faults(refusal, line_ids, prefix, cells))) from refusal


def _stale(
    refusal: StaleRevision, line_ids: Sequence[int], prefix: str, now: Callable[[], Any] | None
) -> RevisionStale:
    """That somebody saved in between, in words for programs: what a page shows beside its sentence, they do not see."""
    stale = refusal.extra["stale"]
    if now is not None:
        return RevisionStale("Somebody saved this line after you read it; read it again.", stale=stale, current=now())
    places = {line: place for place, line in reversed(list(enumerate(line_ids)))}
    faults = [
        Fault(f"{_at(prefix, places[line['line']])}/revision", "stale", f"Its revision is {line['revision']} now.")
        for line in stale
    ]
    return RevisionStale(
        f"Somebody saved {len(stale):,} of these lines after you read them, so nothing was saved; read them again.",
        faults, stale=stale,
    )  # fmt: skip


def _faults(
    refusal: Refused, line_ids: Sequence[int], prefix: str, cells: Sequence[Mapping[str, int]]
) -> Iterator[Fault]:
    refused = refusal.extra.get("cells") or []
    # Of a line that was sent twice it is the first that was looked at.
    places = {line: place for place, line in reversed(list(enumerate(line_ids)))}
    told = set()
    for cell in refused:
        place = places[cell["line"]]
        told.add(place)
        at = f"{_at(prefix, place)}/cells/{cells[place][cell['period']]}/{cell['field']}"
        yield Fault(at, "invalid", cell["sentence"])
    for place, sentence in refusal.lines.items():
        if place not in told:
            at = _at(prefix, place) if isinstance(place, int) else pointer_of(place)
            yield Fault(at, "refused", sentence)
    if not refused and not refusal.lines:
        yield Fault("", "refused", refusal.detail)


def _at(prefix: str, place: int) -> str:
    return f"{prefix}/{place}" if prefix else ""
