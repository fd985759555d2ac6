"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OF_A_LOADER = "Connection of an administrator or of a member of zava_loader"


class Scale(click.FloatRange):
    """Of the seed: from twenty orders on, and a number."""

    def __init__(self) -> None:
        super().__init__(min=0.0001, max=10_000)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; refuse what is none."""
        scale = float(super().convert(value, param, ctx))
        if math.isnan(scale):
            self.fail(f"{value!r} is no number", param, ctx)
        return scale


class Filled(click.types.StringParamType):
    """A text that is not empty, as that of a variable that nobody has set is."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the text; refuse an empty one."""
        text = str(super().convert(value, param, ctx))
        if not text:
            self.fail("it is empty; leave the option out for the default", param, ctx)
        return text


def admin_url_option(
    whose: str = "Connection of a role that may create roles and tables",
) -> Callable[[F], F]:
    """Return the option `--admin-url`; its help begins with whose connection it is."""
    return click.option(
        "--admin-url",
        type=Filled(),
        metavar="CONNINFO",
        help=f"{whose} (ZAVA_ADMIN_URL); by default the embedded PostgreSQL's.",
    )
