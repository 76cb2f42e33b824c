"""What services refuse by the position of a line, told by its place in the body."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sop_portal.lib.api.problems import Fault, NotAccepted, RevisionStale, pointer_of
from sop_portal.lib.errors import Refused, StaleRevision


@contextmanager
def placed(line_ids: Sequence[int], prefix: str = "") -> Iterator[None]:
    """Name places below `prefix`; "" for a body of one line. line_ids: the lines in the order they were sent."""
    try:
        yield
    except StaleRevision as refusal:
        raise RevisionStale(refusal.detail, **refusal.extra) from refusal
    except Refused as refusal:
        raise NotAccepted(list(_faults(refusal, line_ids, prefix))) from refusal


def _faults(refusal: Refused, line_ids: Sequence[int], prefix: str) -> Iterator[Fault]:
    cells = refusal.extra.get("cells") or []
    places = {line: place for place, line in enumerate(line_ids)}
    told = set()
    for cell in cells:
        place = places.get(cell["line"], 0)
        told.add(place)
        yield Fault(f"{_at(prefix, place)}/cells/{cell['period']}/{cell['field']}", "invalid", cell["sentence"])
    for place, sentence in refusal.lines.items():
        if place not in told:
            at = _at(prefix, place) if isinstance(place, int) else pointer_of(place)
            yield Fault(at, "refused", sentence)
    if not cells and not refusal.lines:
        yield Fault("", "refused", refusal.detail)


def _at(prefix: str, place: int) -> str:
    return f"{prefix}/{place}" if prefix else ""
