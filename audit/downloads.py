"""Files that take data out of the portal: not too many at a time, and each told in the trail."""

from collections.abc import Callable
from typing import IO, Any

from django.http import FileResponse, HttpRequest

from audit.services import Event, record
from sop_portal.lib import downloads, ratelimit

RATE = "20/m"


def hand_out(
    request: HttpRequest,
    write: Callable[[IO[bytes]], Any],
    name: str,
    *,
    about: tuple[str, Any],
    label: str = "",
    told: dict[str, str] | None = None,
    group: str = "export",
    what: str = "Several files were downloaded",
) -> FileResponse:
    """What `write` writes as the file `name`.

    about: type and key of what the file is about. label: what the trail calls it if not by the name of the file; told:
    what else it keeps, where it is not empty. group: what is counted together, with `what` as the words for it.
    Raises TooMany when files are asked for again and again: writing one takes seconds of a processor.
    """
    sentence = f"{what} within a minute. Wait a moment, then try again."
    ratelimit.limit(request, group, str(request.user.pk), RATE, sentence)
    response = downloads.answer(write, name)
    entity_type, key = about
    said = {"file": name, **{field: text for field, text in (told or {}).items() if text}}
    record(
        Event(
            action="report_downloaded",
            entity_type=entity_type,
            entity_id=str(key),
            label=label or name,
            changes={field: [None, text] for field, text in said.items()},
        )
    )
    return response
