"""Keeping children up: one that ends is reported and started again, later each time it ends soon."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sop_portal.supervisor.process import Child

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# A child that stayed up so long has recovered: its next end waits the first pause again.
_RECOVERED_AFTER = 120.0


@dataclass
class _Kept:
    child: Child
    pause: float = _FIRST_PAUSE
    up_since: float = field(default_factory=time.monotonic)
    start_at: float | None = None


class Watch:
    """Watches over the children of the portal; servers come first, since the services need them."""

    def __init__(self, services: Sequence[Child], servers: Sequence[Child]) -> None:
        self._kept = [_Kept(child) for child in (*servers, *services)]

    def keep_up(self, say: Callable[[str], None]) -> None:
        """Look after the children until something is raised here, such as Stopped by a signal."""
        while True:
            self.look(say, time.monotonic())
            time.sleep(0.3)

    def look(self, say: Callable[[str], None], now: float) -> None:
        """Note who has ended and start again whose pause is over. now: seconds of a clock that never goes back."""
        for kept in self._kept:
            if kept.child.running:
                continue
            if kept.start_at is None:
                if now - kept.up_since > _RECOVERED_AFTER:
                    kept.pause = _FIRST_PAUSE
                kept.start_at = now + kept.pause
                say(
                    f"The process {kept.child.name} ended unexpectedly ({_how(kept.child)}) and is started again in "
                    f"{kept.pause:.0f} s; see {kept.child.log}."
                )
                kept.pause = min(kept.pause * 2, _LONGEST_PAUSE)
            elif now >= kept.start_at:
                kept.child.start()
                kept.start_at, kept.up_since = None, now


def _how(child: Child) -> str:
    code = child.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
