"""Where settings come from: the environment, and a file if one is named."""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from zava.errors import ConfigurationError


def none_if_empty(value: Any) -> Any:
    """A variable that is set to nothing sets nothing."""
    return None if value == "" else value


def expanded(value: Any) -> Any:
    """`~` is the home folder, as a shell would have written it.

    Raises:
        ValueError: `~NAME` is nobody's.
    """
    if not isinstance(value, str | Path) or not str(value).startswith("~"):
        return value
    try:
        return type(value)(Path(value).expanduser())
    except RuntimeError as exc:
        raise ValueError("no user of this name has a home folder here") from exc


PREFIX = "ZAVA_"

# The variables that a file has set, and the file's name.
_from_file: dict[str, str] = {}


def read_env_file(path: Path) -> str:
    """Take from a file the variables that the environment does not set.

    What it holds is taken as it is written: `${NAME}` is no reference, which could
    put a secret into a file's name.

    Returns:
        Why nothing was taken, "" where something was.
    """
    try:
        path = expanded(path)
        if not path.is_file():
            return "it is not a file" if path.exists() else "there is no such file"
        text = path.read_text("utf-8-sig")
    except OSError as exc:
        return exc.strerror or "it cannot be read"
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except ValueError as exc:
        return str(exc)
    if "\0" in text:
        return "it is not UTF-8"
    given = {name.upper() for name in os.environ}
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    for name, value in values.items():
        if name and value is not None and name.upper() not in given:
            os.environ[name] = value
            _from_file[name.upper()] = path.name
    return ""


def variables(*names: str) -> dict[str, str]:
    """Return the variables of these names that are set, in whatever case they are."""
    wanted = {name.upper() for name in names}
    return {name: value for name, value in os.environ.items() if name.upper() in wanted}


def origins(fields: Iterable[str], flags: Mapping[str, Any]) -> dict[str, str]:
    """Return for each of `fields` where its value comes from."""
    in_environment = {name.upper() for name in os.environ}
    found = {}
    for name in fields:
        variable = PREFIX + name.upper()
        if flags.get(name) is not None:
            found[name] = "flag"
        elif variable in in_environment:
            found[name] = _from_file.get(variable, "environment")
        else:
            found[name] = "default"
    return found


def refuse_unknown_names(fields: Iterable[str]) -> None:
    """Refuse a `ZAVA_…` variable that sets none of `fields`.

    Raises:
        ConfigurationError: There is one; the nearest valid name is said.
    """
    known = {PREFIX + name.upper() for name in fields}
    given = {name.upper() for name in os.environ}
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            # Compared without what every name begins with, which makes all alike.
            bare = [other.removeprefix(PREFIX) for other in known]
            near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
            advice = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            raise ConfigurationError(f"unknown setting {name}{advice}")


def explain(exc: ValidationError) -> str:
    """One line of all that is wrong; values stay out, they may be secrets."""
    faults = []
    for error in exc.errors(include_input=False, include_url=False):
        where = "".join(f"{PREFIX}{str(part).upper()}: " for part in error["loc"][:1])
        faults.append(where + error["msg"].removeprefix("Value error, "))
    return "; ".join(faults)
