"""How a command fails: one line with a remedy, and a non-zero exit status."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from zava.errors import MCPError

T = TypeVar("T")


def explain_errors(command: Callable[..., T]) -> Callable[..., T]:
    """A failure is one line with a remedy, and a non-zero exit status."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> T:
        try:
            return command(*args, **kwargs)
        except MCPError as exc:
            click.echo(f"zava: {exc.message}", err=True)
            sys.exit(1)

    return wrapper
