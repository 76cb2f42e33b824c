"""Reading the environment. Every variable may be given as NAME or, for secrets in files, as NAME_FILE."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def env(name: str, default: str) -> str:
    """The variable `name`, or the content of the file that `name`_FILE points at, or `default`."""
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {problem.strerror or problem}.") from problem


def env_bool(name: str, default: bool) -> bool:
    """The variable as a yes or no; anything that is neither is refused."""
    value = env(name, "1" if default else "0").strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not '{value}'.")


def env_int(name: str, default: int) -> int:
    """The variable as a whole number."""
    value = env(name, str(default))
    try:
        return int(value)
    except ValueError as problem:
        raise ImproperlyConfigured(f"{name} must be a whole number, not '{value}'.") from problem


def env_list(name: str) -> list[str]:
    """The variable as a list separated by commas."""
    return [part.strip() for part in env(name, "").split(",") if part.strip()]


def database(url: str, options: str) -> dict[str, Any]:
    """Django's description of the PostgreSQL database that `url` names; query parameters go to libpq.

    An empty `url` gives a description without a name, so that commands that need no database still start.
    """
    parts = urlsplit(url)
    if url and parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"options": options, "connect_timeout": 5, **dict(parse_qsl(parts.query))},
    }
