"""Whatever a service hands over, what leaves has a ceiling in bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_types import ErrorData, JSONRPCError

from zava.errors import MCPError, QueryError
from zava.models import ColumnSchema, Person, TableSchema
from zava.protocol.results import (
    MAX_BYTES,
    bounded_error,
    error_result,
    schemas_result,
    structured_result,
)
from zava.service.queries.catalog import Described

PERSON = Person(name="Ann", stores=1, names=("Zava Retail Seattle",), data_through=None)
CEILING_OF_ERRORS = 200_000
# A byte, three bytes, six characters of JSON, two characters of JSON.
CHARACTERS = st.sampled_from(["x", "大", "\x1b", '"'])
LONG = st.builds(lambda one, size: one * size, CHARACTERS, st.integers(0, 300_000))


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=LONG, count=st.integers(0, 50))
def test_a_structure_of_long_texts_is_cut_until_it_fits(text: str, count: int) -> None:
    products = [{f"field {n}": text for n in range(12)} for _ in range(count)]
    result = structured_result({"products": products})
    assert size(result.structured_content) <= MAX_BYTES * 1.1
    assert size(result.content[0].text) <= 2 * MAX_BYTES  # type: ignore[union-attr]
    assert result.structured_content is not None
    assert len(result.structured_content["products"]) == count


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=LONG, count=st.integers(0, 2000))
def test_every_part_of_an_error_is_cut(text: str, count: int) -> None:
    facts = {"detail": text, "hint": text, "suggestions": [text] * count}
    for error in (QueryError(text, "SYNTAX_ERROR", text, facts), MCPError(text)):
        result = error_result(error)
        assert size(result.model_dump(mode="json")) <= 2 * CEILING_OF_ERRORS


def test_an_error_of_the_sdk_is_cut_and_a_short_one_stays() -> None:
    def message(data: Any, text: str) -> JSONRPCError:
        error = ErrorData(code=-32601, message=text, data=data)
        return JSONRPCError(jsonrpc="2.0", id=1, error=error)

    for data in ("m" * 1_000_000, {"uri": "m" * 1_000_000}, ["m"] * 1_000_000):
        cut = bounded_error(message(data, "m" * 1_000_000))
        assert len(cut.model_dump_json()) < 2000
    short = message({"uri": "zava://x"}, "Unknown resource")
    assert bounded_error(short) == short


@pytest.mark.parametrize("comment", ["x" * 1000, "大" * 1000], ids=["narrow", "wide"])
def test_a_table_of_many_columns_is_described_with_less_of_each(comment: str) -> None:
    column = ColumnSchema(
        name="c",
        type="text",
        nullable=True,
        default="d" * 1000,
        comment=comment,
        key=None,
        values=("v" * 40,) * 100,
    )
    table = TableSchema(
        table="retail.wide",
        description=comment,
        columns=tuple(
            column.model_copy(update={"name": f"{n:060}"}) for n in range(1200)
        ),
        foreign_keys=(),
        sample_rows=({f"{0:060}": "x" * 200},) * 12,
    )
    result = schemas_result(Described(PERSON, (table,)))
    assert result.structured_content is not None
    (described,) = result.structured_content["tables"]
    assert size(described) <= MAX_BYTES
    assert len(described["columns"]) == 1200
    assert "sample rows left out" in described["note"]
