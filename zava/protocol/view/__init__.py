"""The view of an answer: one HTML document that draws it, without network and eval."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs

from zava.infra.drawing import DISTRIBUTION, javascript

URI = "ui://zava/answer.html"

MAX_BYTES = 1_000_000
"""Hosts refuse larger documents."""

_SCRIPT_END = re.compile("</(?=script)", re.IGNORECASE)


def page(chart: dict[str, Any] | None = None) -> str:
    """Return the document.

    Args:
        chart: What it shows when it is opened by itself, as `_meta` of a result has it;
            None for a host that says what to show.

    Raises:
        ConfigurationError: The library that draws is not installed.
        ChartError: It does not come up.
    """
    folder = files(__package__)
    given = "" if chart is None else f"window.zavaChart = {_literal(chart)};"
    text = folder.joinpath("view.html").read_text("utf-8")
    for mark, part in (
        ("/*STYLE*/", folder.joinpath("view.css").read_text("utf-8")),
        ("/*VIEW*/", folder.joinpath("view.js").read_text("utf-8")),
        ("/*CHART*/", given),
        ("/*LIBRARY*/", _library()),
    ):
        text = text.replace(mark, part, 1)
    return text


def _library() -> str:
    """The script that draws; making it takes seconds, so it is kept for the next one."""
    folder = platformdirs.user_cache_path("zava")
    kept = folder / f"view-{version(DISTRIBUTION)}.js"
    with suppress(OSError):
        return kept.read_text("utf-8")
    # What ends a script would end it inside a text too.
    made = _SCRIPT_END.sub(r"<\\/", javascript())
    with suppress(OSError):
        _keep(kept, made)
    return made


def _keep(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _literal(value: Any) -> str:
    """JSON that is also a script's literal, and never ends the script."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c")
