"""Where log lines go, and what they look like.

To stderr and to a rotating file; never to stdout, which is the JSON-RPC wire.
The standard library's loggers (mcp, psycopg, openai) are routed into the same.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger

from zava.infra.log_file import SharedLogFile
from zava.infra.masking import mask_secrets

if TYPE_CHECKING:
    from loguru import Record

_LONGEST_MESSAGE = 10_000
_LONGEST_FACT = 500
_NUMBERS = (bool, int, float)
_WITHOUT_ZONE = len("2026-01-31 23:59:59.999")
# Whatever a terminal or a reader could take for the end of a line, or for a command.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# These say at INFO, or twice, what a line of ours already says.
_QUIET = {
    "mcp": logging.WARNING,
    "psycopg": logging.ERROR,
    "psycopg.pool": logging.ERROR,
    "httpx": logging.WARNING,
    "openai": logging.WARNING,
    "asyncio": logging.WARNING,
}


class _Intercept(logging.Handler):
    """Hands a record of the standard library on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.opt(depth=depth, exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


def set_up_logging(
    level: str,
    form: Literal["text", "json"],
    file: Path | None,
    *,
    to_stderr: bool = True,
) -> None:
    """Send everything of `level` and above to stderr and, rotated, to `file`.

    A file that cannot be written is a warning, no failure. It runs before the
    MCP SDK is set up, which leaves a root logger alone that has a handler.
    """
    logger.remove()
    logger.configure(patcher=_mask)
    options: dict[str, Any] = {
        "level": level,
        "format": _once(_as_json if form == "json" else _as_text),
        "backtrace": False,
        "diagnose": False,  # a traceback with values would show rows and secrets
    }
    if to_stderr and sys.stderr is not None:
        logger.add(sys.stderr, **options)
    logging.basicConfig(handlers=[_Intercept()], level=level, force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            logger.add(SharedLogFile(file), **options)
        except OSError as exc:
            logger.warning(
                "no log file, it cannot be written: {}; check ZAVA_LOG_FILE",
                exc.strerror,
            )


def _mask(record: Record) -> None:
    record["message"] = mask_secrets(record["message"][:_LONGEST_MESSAGE])


def escape(text: str) -> str:
    """Return a text as one line, its control characters written as escapes."""
    if text.isprintable():  # which no control character is
        return text
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def _once(written: Callable[[Record], str]) -> Callable[[Record], str]:
    """Return a loguru format that writes a line once, for all sinks."""

    def line(record: Record) -> str:
        extra = record["extra"]
        if "_line" not in extra:
            extra["_line"] = written(record)
        return "{extra[_line]}\n"

    return line


def _as_text(record: Record) -> str:
    """Return `time - name - level - message key=value …`."""
    facts = escape("".join([f" {k}={v}" for k, v in _facts(record) if v is not None]))
    if trace := _trace(record):
        # Its lines are set in, so that none passes for one of the log's own.
        facts += "".join(f"\n    {escape(line)}" for line in trace.splitlines())
    time = record["time"].isoformat(" ", "milliseconds")[:_WITHOUT_ZONE]
    head = f"{time} - {record['name']} - {record['level'].name}"
    return f"{head} - {escape(record['message'])}{mask_secrets(facts)}"


def _as_json(record: Record) -> str:
    """Return one JSON object."""
    line = {
        "time": record["time"].isoformat(),
        "name": record["name"],
        "level": record["level"].name,
        "message": record["message"],
        **dict(_facts(record)),
    }
    trace = _trace(record)
    if trace:
        line["exception"] = trace
    masked = {
        name: value
        if value is None or isinstance(value, _NUMBERS)
        else mask_secrets(str(value))
        for name, value in line.items()
    }
    return json.dumps(masked)


def _trace(record: Record) -> str:
    """The traceback, "" for none; by ourselves, because loguru's is not masked."""
    raised = record["exception"]
    if raised is None or raised.type is None:
        return ""
    lines = traceback.format_exception(raised.type, raised.value, raised.traceback)
    return "".join(lines).rstrip()


def _facts(record: Record) -> list[tuple[str, Any]]:
    return [(k[:_LONGEST_FACT], _short(v)) for k, v in record["extra"].items()]


def _short(value: Any) -> Any:
    """A fact as it is logged: a number as it is, a text cut."""
    if value is None or isinstance(value, _NUMBERS):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_FACT else f"{text[:_LONGEST_FACT]}…"
