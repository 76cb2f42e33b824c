"""Logging by structlog: readable lines on a console, JSON for machines, the request's id on each."""

import logging.config
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def dictionary(style: str, level: str = "INFO") -> dict[str, Any]:
    """The logging configuration for `style` ("console" or "json"); also fits gunicorn's `logconfig_dict`."""
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if style == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last += [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    own = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": last,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Each refused request is one line of our own already.
            "django.request": {**own, "level": "ERROR"},
            "django.security": {**own, "level": "ERROR"},
            "axes": {**own, "level": "ERROR"},
            "gunicorn.error": own,
            "gunicorn.access": {**own, "level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Set logging up from settings.LOGGING ({"format": "console" | "json", "level": ...})."""
    logging.config.dictConfig(dictionary(config["format"], config["level"]))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
