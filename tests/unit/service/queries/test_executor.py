"""What QueryExecutor lets through, before anything is asked."""

from __future__ import annotations

from typing import Any, cast

import pytest

from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.service.queries.executor import DEFAULT_ROWS, QueryExecutor


def executor(max_rows: int) -> QueryExecutor:
    """An executor under a ceiling of rows, with no database behind it."""
    nothing = cast("Any", None)
    return QueryExecutor(
        nothing,
        QueryCache(),
        nothing,
        max_rows=max_rows,
        max_result_bytes=1000,
        max_query_length=1000,
    )


@pytest.mark.parametrize(
    ("ceiling", "rows"), [(10, 10), (19, 19), (20, 20), (21, 20), (1000, 20)]
)
def test_whoever_names_no_number_gets_twenty_rows_or_the_operator_s_ceiling(
    ceiling: int, rows: int
) -> None:
    assert DEFAULT_ROWS == 20
    assert executor(ceiling).check("SELECT 1").max_rows == rows


@pytest.mark.parametrize("rows", [11, 19, 21, 1000, 0, -1])
def test_a_number_that_is_named_and_not_allowed_is_refused(rows: int) -> None:
    with pytest.raises(ValidationError, match="between 1 and 10") as caught:
        executor(10).check("SELECT 1", max_rows=rows)
    assert caught.value.field == "max_rows"


@pytest.mark.parametrize("rows", [1, 10])
def test_a_number_that_is_allowed_is_the_caller_s(rows: int) -> None:
    assert executor(10).check("SELECT 1", max_rows=rows).max_rows == rows
