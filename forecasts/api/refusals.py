"""What services refuse by the position of a line, told by its place in the body."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sop_portal.lib.api.problems import Fault, NotAccepted, RevisionStale, pointer_of
from sop_portal.lib.errors import Refused, StaleRevision


@contextmanager
def placed(line_ids: Sequence[int], prefix: str = "", cells: Sequence[Mapping[str, int]] = ()) -> Iterator[None]:
    """Name places below `prefix`; "" for a body of one line.

    line_ids: the lines in the order they were sent. cells: for each of them, where the cell of a period stands.
    """
    try:
        yield
    except StaleRevision as refusal:
        raise RevisionStale(refusal.detail, **refusal.extra) from refusal
    except Refused as refusal:
        raise NotAccepted(list(_faults(refusal, line_ids, prefix, cells))) from refusal


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
