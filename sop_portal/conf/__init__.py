"""Run-time settings: `conf.get("currency")` gives the typed value in force, at most a second old."""

from sop_portal.conf.values import clear_cache, get, holidays

__all__ = ["clear_cache", "get", "holidays"]
