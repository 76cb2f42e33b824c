"""Calling every part that looks for lost work, whatever becomes of the others."""

import structlog

from sop_portal.lib.jobs import SWEEPERS

log = structlog.get_logger(__name__)


class SweepFailed(Exception):
    """Some parts could not be swept."""


def sweep() -> dict[str, int]:
    """How much each part found and took up. Raises SweepFailed once all had their turn, if one of them failed."""
    found: dict[str, int] = {}
    failed: dict[str, Exception] = {}
    for name, part in SWEEPERS.items():
        try:
            found[name] = part()
        except Exception as problem:
            log.exception("sweep failed", part=name)
            failed[name] = problem
    if failed:
        raise SweepFailed("; ".join(f"{name}: {problem}" for name, problem in failed.items()))
    return found
