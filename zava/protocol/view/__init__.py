"""The view of an answer: one HTML document that draws it, without network and eval."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs
from mcp.server.apps import APP_MIME_TYPE, Apps
from mcp.server.mcpserver.resources import FunctionResource

from zava.infra.drawing import DISTRIBUTION, javascript

URI = "ui://zava/answer.html"

VIEW_META: Mapping[str, Any] = {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}
"""What a tool with a view says of it, in today's spelling and the older one."""

_SCRIPT_END = re.compile("</(?=script)", re.IGNORECASE)


def view_extension() -> Apps:
    """Return the extension that offers the view."""
    apps = Apps()
    apps.add_resource(
        FunctionResource(
            uri=URI,
            name="answer",
            title="Chart and table of an answer",
            mime_type=APP_MIME_TYPE,
            fn=page,
        )
    )
    return apps


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
    """The script that draws; making it takes seconds, so it is kept."""
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
