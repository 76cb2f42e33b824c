"""What all pages that take files share: how many files a minute, and what a browser offers to choose."""

from django.http import HttpRequest

from masterdata.imports import files
from sop_portal.lib import ratelimit

TEXTS = files.SAME[".csv"]
UPLOADS = "10/m"


def limit_uploads(request: HttpRequest) -> None:
    """Count one upload of this person; reading a file may keep a process busy. Raises TooMany."""
    ratelimit.limit(
        request,
        "upload",
        str(request.user.pk),
        UPLOADS,
        "Several files were uploaded within a minute. Wait a moment, then upload the next one.",
    )


def filedrop(hint: str, *, largest: int, archives: bool = False) -> dict[str, object]:
    """What `components/filedrop.html` needs to know about the files of a page, of at most `largest` bytes.

    archives: the page takes workbooks and archives of them, no texts.
    """
    taken = [ending for ending in files.endings(archives=archives) if not archives or ending not in TEXTS]
    return {
        "accept": ",".join(taken),
        "max_bytes": largest,
        "hint": f"{hint} At most {largest // files.MEGABYTE} MB.",
    }
