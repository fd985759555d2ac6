"""What a model reads of the tools is whole sentences, each thing said once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import anyio
import pytest

from tests.fakes import server_with
from zava.errors import ValidationError
from zava.service.sales.calendars import Calendar
from zava.service.sales.periods import parse_period

# A word or a few said twice in a row; two beginnings of one statement; a stop or a
# conjunction that nothing follows.
FAULTS = (
    r"\b(\w+(?: \w+){0,4})[,;:]? \1\b",
    r"\bone of (?:must|one|a list|be)\b",
    r"\bmust be [^.;]*\bmust be\b",
    r"\bor or\b|\band and\b|\bfor example [^.]*\bfor example\b",
    r"[.,;:]\s*[.,;:](?!\.)",
    r" [.,;:](?:\s|$)",
    r"[,;:]\s*$",
)


def described(schema: Any) -> Iterator[str]:
    """Every description in a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema["description"]
        for value in schema.values():
            yield from described(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from described(value)


def faults_of(text: str) -> list[str]:
    flat = " ".join(text.split())
    # A span of days has two dots.
    flat = flat.replace("..", "-")
    return [fault for fault in FAULTS if re.search(fault, flat, re.IGNORECASE)]


def texts() -> Iterator[tuple[str, str]]:
    for tool in anyio.run(server_with().list_tools):
        yield tool.name, tool.description or ""
        for schema in (tool.input_schema, tool.output_schema):
            for text in described(schema):
                yield tool.name, text


def test_a_model_reads_at_most_14_000_characters_about_the_tools() -> None:
    tools = anyio.run(server_with().list_tools)
    read = [(t.name, len(t.description or "") + compact(t.input_schema)) for t in tools]
    assert sum(size for _, size in read) <= 14_000, read
    # With titles, annotations and output schemas, which few clients show to a model.
    listed = [
        t.model_dump(mode="json", by_alias=True, exclude_none=True) for t in tools
    ]
    assert compact({"tools": listed}) <= 17_000


def test_a_schema_says_nothing_that_goes_without_saying() -> None:
    for tool in anyio.run(server_with().list_tools):
        text = json.dumps(tool.input_schema)
        for idle in ('"title"', '"default": false', '"default": null', "anyOf", "$ref"):
            assert idle not in text, tool.name
        assert tool.output_schema is not None
        assert set(tool.output_schema) == {"type", "properties"}


def compact(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def test_a_text_says_nothing_twice() -> None:
    told = list(texts())
    assert len({tool for tool, _ in told}) > 5
    assert [(tool, text) for tool, text in told if not text.strip()] == []
    assert [(tool, text) for tool, text in told if faults_of(text)] == []


def test_a_text_names_nothing_of_the_code() -> None:
    of_code = re.compile(r"\bzava[./]\w|`\w+\.\w+`")
    assert [(tool, text) for tool, text in texts() if of_code.search(text)] == []


def test_the_error_of_a_period_says_nothing_twice() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_period("soon", date(2026, 6, 30), Calendar())
    assert not faults_of(caught.value.message)
    assert "must be one of today, yesterday" in caught.value.message


def test_a_text_that_says_something_twice_is_found() -> None:
    faulty = [
        "One of must be one of today",
        "the the store",
        "of the store of the store",
        "must be 1 to 5 and must be whole",
        "a store, , or a region",
        "one of: ",
    ]
    assert [text for text in faulty if not faults_of(text)] == []
