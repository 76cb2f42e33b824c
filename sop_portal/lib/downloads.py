"""Files that are sent to whoever asked for them."""

import tempfile
from collections.abc import Callable
from typing import IO, Any

from django.http import FileResponse

# The forms that lists come in, as addresses name them.
TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


def answer(write: Callable[[IO[bytes]], Any], name: str) -> FileResponse:
    """What `write` writes as the file `name`, whose ending is one of TYPES.

    On disk, and written as a whole before the first byte is sent: a slow reader holds neither memory nor the database.
    """
    target: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  FileResponse closes it
    try:
        write(target)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    response = FileResponse(target, as_attachment=True, filename=name, content_type=TYPES[name.rpartition(".")[2]])
    response["Cache-Control"] = "no-store"
    return response
