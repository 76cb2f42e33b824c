"""What memory one work takes: run in a process of its own, which holds nothing but the portal before it begins.

`python -m bench.grown DATABASE MODULE FUNCTION` prints by how many MB that process grew, and what the largest process
that it started took. Sizes are those that the kernel keeps per address space: the ones of `getrusage` are handed
down from parents.
"""

import contextlib
import importlib
import resource
import subprocess
import sys
import threading
from pathlib import Path


def growth(database: str, module: str, function: str) -> tuple[float, float]:
    """Run `function` of `module` on `database` in a fresh process; its growth and its largest child, in MB."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.grown", database, module, function], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    # What the work itself prints comes before.
    for line in told[:-1]:
        print(line)
    own, child = told[-1].split()
    return float(own), float(child)


def size() -> float:
    """What this process takes now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def _peak(process: str) -> float:
    """The largest size of a process so far, in MB; 0 once it has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0


class _Children(threading.Thread):
    """Looks at the processes that this one starts, many times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.largest = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.005):
            for listing in Path("/proc/self/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    for child in listing.read_text(encoding="ascii").split():
                        self.largest = max(self.largest, _peak(child))


def main() -> None:
    database, module, function = sys.argv[1:]
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database
    work = getattr(importlib.import_module(module), function)
    connection.ensure_connection()
    children = _Children()
    children.start()
    before = _peak("self")
    work()
    children.done.set()
    print(_peak("self") - before, children.largest)


if __name__ == "__main__":
    main()
