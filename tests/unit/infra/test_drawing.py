"""Pictures, drawn by a process of their own."""

from __future__ import annotations

from typing import Any

import pytest

from zava.errors import ChartError, ConfigurationError
from zava.infra import drawing

SPEC: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"c0": "a", "c1": 1}, {"c0": "b", "c1": 3}]},
    "mark": "bar",
    "encoding": {
        "x": {"field": "c0", "type": "nominal"},
        "y": {"field": "c1", "type": "quantitative"},
    },
}


@pytest.mark.thorough
def test_a_picture_is_drawn() -> None:
    assert drawing.draw(SPEC, "png").startswith(b"\x89PNG\r\n")
    assert drawing.draw(SPEC, "svg").startswith(b"<svg")


@pytest.mark.thorough
def test_what_cannot_be_drawn_says_so() -> None:
    with pytest.raises(ChartError, match="the chart cannot be drawn"):
        drawing.draw({"mark": "nothing"}, "png")


@pytest.mark.thorough
def test_a_picture_fetches_nothing() -> None:
    elsewhere = {**SPEC, "data": {"url": "http://127.0.0.1:9/rows.json"}}
    with pytest.raises(ChartError):
        drawing.draw(elsewhere, "png")


@pytest.mark.thorough
def test_a_picture_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "TIMEOUT", 0.01)
    with pytest.raises(ChartError, match="took longer"):
        drawing.draw(SPEC, "png")


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "can_draw", lambda: False)
    with pytest.raises(ConfigurationError, match=r"zava\[charts\]"):
        drawing.draw(SPEC, "png")
