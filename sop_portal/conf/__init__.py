"""Run-time settings: `conf.get("currency")` gives the typed value in force, at most a second old."""

from sop_portal.conf.values import added, clear_cache, get

__all__ = ["added", "clear_cache", "get"]
