"""Logs of the cloud's processes: lines for people, or JSON lines for machines, with the request that they are about."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

REQUEST: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this thread works on, "" without one."""

OURS = ("cloud", "hardware", "models", "planner", "protocol")
"""The packages whose loggers follow the level that is set; others stay at INFO, or they would drown ours."""


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def facts(**told: Any) -> dict[str, Any]:
    """What a line knows beside its text, for `extra=` of a logger's call; None is left out. JSON lines show each by its name."""
    return {"facts": {name: value for name, value in told.items() if value is not None}}


def set_up(log_format: LogFormat, level: LogLevel) -> None:
    """For an entry point: one handler on stderr, unless somebody has set up logs before."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(level.value.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)


def take_over(logger: logging.Logger, log_format: LogFormat) -> None:
    """Makes the lines of a logger that somebody else set up look like ours, where they are for machines."""
    if log_format is LogFormat.JSON:
        for handler in logger.handlers:
            handler.setFormatter(formatter(log_format))


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Of the handler that writes the lines."""
    return JsonLines() if log_format is LogFormat.JSON else TextLines()


class TextLines(logging.Formatter):
    """Time, level, logger and message; the request's id at the end, where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        line = super().formatMessage(record)
        request_id = REQUEST.get()
        return f"{line} [{request_id}]" if request_id else line


class JsonLines(logging.Formatter):
    """One object a line: `at` (RFC 3339, UTC), `level`, `logger`, `message`, `request_id`, `traceback`, and the line's facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **_facts_of(record),
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST.get():
            line["request_id"] = request_id
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str)


def _facts_of(record: logging.LogRecord) -> Mapping[str, Any]:
    told = getattr(record, "facts", None)
    return told if isinstance(told, Mapping) else {}
