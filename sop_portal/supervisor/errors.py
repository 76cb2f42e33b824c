"""What stops a start."""


class CannotStart(Exception):
    """Why the servers or the portal cannot start, in words for the person who asked."""


class FolderBusy(CannotStart):
    """Another process holds the data folder."""


class Stopped(BaseException):
    """The person or the system asked to stop; like KeyboardInterrupt it passes every `except Exception`."""
