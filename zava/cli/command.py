"""How a command begins, and how it fails: one line with a remedy, a non-zero status."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from loguru import logger

from zava.errors import MCPError
from zava.infra.logs import escape
from zava.infra.masking import mask_secrets
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
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # whoever read what is printed has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        except Exception as exc:
            if "DEBUG" in variables("ZAVA_LOG_LEVEL").values():
                raise
            reason = _line(str(exc))[:300]
            click.echo(
                f"zava: {type(exc).__name__}: {reason}; this is a fault of zava's:"
                " ZAVA_LOG_LEVEL=DEBUG shows where",
                err=True,
            )
        sys.exit(1)

    return wrapper


class Commands(click.Group):
    """The `zava` command: what it cannot make sense of is one line, too."""

    def main(  # type: ignore[override]  # click's overloads are for its callers
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> Any:
        """Run the command, and end the process with its exit status.

        Args:
            args: Of the command line; None takes the process's own.
            prog_name: The command's name; None takes the process's own.
            **extra: As for click's own method.
        """
        extra["standalone_mode"] = False  # click returns the status, and raises
        try:
            status = super().main(args, prog_name, **extra)
        except getattr(click.exceptions, "NoArgsIsHelpError", ()) as exc:
            exc.show()
            sys.exit(exc.exit_code)
        except click.ClickException as exc:
            context = getattr(exc, "ctx", None)
            path = context.command_path if context is not None else "zava"
            what = _line(exc.format_message()).rstrip(".")
            click.echo(f"zava: {what}; see `{path} --help`", err=True)
            sys.exit(exc.exit_code)
        except click.Abort:
            click.echo("zava: ended before it was done", err=True)
            sys.exit(130)
        sys.exit(status if isinstance(status, int) else 0)


def _line(text: str) -> str:
    """Return a text of somebody else's as one line without secrets."""
    return escape(mask_secrets(" ".join(text.split())))


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
