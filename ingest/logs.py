"""Log set-up of a process: fixed messages plus fields, as text for people or JSON lines for machines."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_WORDS = ("password", "secret", "token", "api_key", "device_key", "master_key", "authorization")


class _StandardError:
    """Standard error as it is when a line is written: since logging was set up it may have been replaced."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "***"
    return event


def set_up_logs(level: str = "INFO", style: str = "text") -> None:
    """Send structlog's and the libraries' messages to standard error.

    Parameters
    ----------
    level : str
        Lowest level shown: DEBUG, INFO, WARNING, ERROR.
    style : str
        "text", or "json" for one object a line.
    """
    output: Any = _StandardError()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secrets,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if style == "json"
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level.upper(), stream=output, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Access logs and polling chatter drown what someone should see.
    for noisy in ("httpx", "httpcore", "pymodbus", "uvicorn.access", "procrastinate", "apprise"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
