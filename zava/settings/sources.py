"""Where settings come from: the environment and a `.env` file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from zava.errors import ConfigurationError

PREFIX = "ZAVA_"
DOTENV = ".env"


def origins(fields: Iterable[str], flags: Mapping[str, Any]) -> dict[str, str]:
    """Return for each of `fields` where its value comes from."""
    in_file = {name.upper() for name in dotenv_names()}
    in_environment = {name.upper() for name in os.environ}
    found = {}
    for name in fields:
        variable = PREFIX + name.upper()
        if flags.get(name) is not None:
            found[name] = "flag"
        elif variable in in_environment:
            found[name] = "environment"
        else:
            found[name] = DOTENV if variable in in_file else "default"
    return found


def refuse_unknown_names(fields: Iterable[str]) -> None:
    """Refuse a `ZAVA_…` variable that sets none of `fields`.

    Raises:
        ConfigurationError: There is one; the nearest valid name is said.
    """
    known = {PREFIX + name.upper() for name in fields}
    given = {name.upper() for name in (*os.environ, *dotenv_names())}
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            # Compared without what every name begins with, which makes all alike.
            bare = [other.removeprefix(PREFIX) for other in known]
            near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
            advice = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            raise ConfigurationError(f"unknown setting {name}{advice}")


def dotenv_names() -> list[str]:
    """Return the names that the `.env` file of the working directory sets.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return list(dotenv_values(DOTENV, encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError("the .env file here cannot be read") from exc


def explain(exc: ValidationError) -> str:
    """One line of all that is wrong; values stay out, they may be secrets."""
    faults = []
    for error in exc.errors(include_input=False, include_url=False):
        where = "".join(f"{PREFIX}{str(part).upper()}: " for part in error["loc"][:1])
        faults.append(where + error["msg"].removeprefix("Value error, "))
    return "; ".join(faults)
