"""The folder of temporary files: inside the private folder of uploads, where the clean-up finds what a kill leaves."""

from pathlib import Path

from django.conf import settings


def folder() -> Path:
    """The folder, made if it is not there."""
    path = Path(settings.FILE_UPLOAD_TEMP_DIR)
    # A folder that is made on the way gets no mode, and the portal does not start with uploads that others can read.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path
