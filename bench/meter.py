"""Counting what work costs: processor time of this process and of its database backend, and the time on the wall."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection

_TICKS = os.sysconf("SC_CLK_TCK")


def _backend() -> Path:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return Path(f"/proc/{cursor.fetchone()[0]}")


def _spent(process: Path) -> float:
    """Seconds of processor time of a process; in ticks of 10 ms where the kernel does not keep them exactly."""
    exact = process / "schedstat"
    if exact.exists():
        return int(exact.read_text(encoding="ascii").split()[0]) / 1e9
    fields = (process / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _own() -> float:
    """Seconds of processor time of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass
class Meter:
    """The costs of rounds of one work, in seconds; the client's are those of its child processes, too."""

    client: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @contextmanager
    def round(self, backends: Iterable[int] = ()) -> Iterator[None]:
        """Measure what happens inside; the database backend must run on this machine.

        backends: processes of other connections than Django's that are used inside.
        """
        processes = [_backend(), *(Path(f"/proc/{process}") for process in backends)]
        server, client, wall = sum(map(_spent, processes)), _own(), time.perf_counter()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.client.append(_own() - client)
        self.server.append(sum(map(_spent, processes)) - server)

    def shared_by(self, times: int) -> "Meter":
        """The costs of one of so many like works in each round."""
        return Meter(*([cost / times for cost in costs] for costs in (self.client, self.server, self.wall)))

    @property
    def cpu(self) -> float:
        """The median of client and server together."""
        return statistics.median(a + b for a, b in zip(self.client, self.server, strict=True))

    def __str__(self) -> str:
        median = statistics.median
        return (
            f"{self.cpu * 1000:8.1f} ms CPU (client {median(self.client) * 1000:.1f}, "
            f"database {median(self.server) * 1000:.1f}), {median(self.wall) * 1000:.1f} ms wall"
        )


def take_turns(
    rounds: int,
    works: dict[str, Callable[[int], None]],
    *,
    warm: int = 1,
    before: Callable[[], None] = lambda: None,
    backends: Iterable[int] = (),
) -> dict[str, Meter]:
    """Run the works in turns, so that a busy machine is busy for all of them. Each is given the number of its round.

    before: what makes things ready for each work, and is not counted. backends: processes of connections of their own.
    """
    meters = {name: Meter() for name in works}
    for number in range(-warm, rounds):
        for name, work in works.items():
            before()
            # The first rounds fill caches and are not counted.
            with (meters[name] if number >= 0 else Meter()).round(backends):
                work(number)
    return meters


def report(ours: Meter, floor: Meter, goal: float) -> None:
    """Print both costs and their ratio."""
    print(f"  floor  {floor}")
    print(f"  ours   {ours}")
    print(f"  ratio  {ours.cpu / floor.cpu:.2f} of CPU (goal at most {goal})", flush=True)


def peak_memory() -> float:
    """The largest size that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
