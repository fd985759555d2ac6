"""How a command begins, and how it fails: one line with a remedy, a non-zero status."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from loguru import logger

from zava.errors import MCPError
from zava.settings import read_env_file, variables

T = TypeVar("T")


def explain_errors(command: Callable[..., T]) -> Callable[..., T]:
    """A failure is one line with a remedy, and a non-zero exit status."""

    @env_file_option
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> T:
        try:
            return command(*args, **kwargs)
        except MCPError as exc:
            click.echo(f"zava: {exc.message}", err=True)
        except click.ClickException:
            raise
        except Exception as exc:
            if "DEBUG" in variables("ZAVA_LOG_LEVEL").values():
                raise
            reason = " ".join(str(exc).split())[:300]
            click.echo(
                f"zava: {type(exc).__name__}: {reason}; this is a fault of zava's:"
                " ZAVA_LOG_LEVEL=DEBUG shows where",
                err=True,
            )
        sys.exit(1)

    return wrapper


def prepare_streams(*, is_serving: bool) -> None:
    """Let nothing but a command's own lines appear, on whatever console there is.

    A character that the console's encoding lacks is replaced. Until the server sets
    up its log, only its own lines go to stderr: the default logger would print
    values of variables.

    Args:
        is_serving: Then nothing is printed, and what others have printed stays where
            it is until the wire is claimed.
    """
    for stream in (sys.stdout, sys.stderr):  # noqa: TID251 - nothing is written
        if hasattr(stream, "reconfigure") and not is_serving:
            stream.reconfigure(errors="replace")
    logger.remove()
    logging.getLogger().addHandler(logging.NullHandler())


def _take_env_file(
    _context: click.Context, _parameter: click.Parameter, path: str | None
) -> None:
    if path is not None and (fault := read_env_file(Path(path))):
        click.echo(f"zava: --env-file {path} was not read: {fault}", err=True)


env_file_option = click.option(
    "--env-file",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_take_env_file,
    help="File of NAME=value lines, for variables that the environment does not set.",
)
