"""What fits under the ceiling of bytes, to the byte."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from zava.data.ceilings import cut
from zava.data.transaction import Rows
from zava.models import Column

AS_OF = datetime(2026, 6, 30, tzinfo=timezone.utc)
READ = Rows((Column("n", "int4"),), [(1,), (2,), (3,)], is_cut=False, as_of=AS_OF)
EXACT = len('["n"]' + "[1]," * 3)


@pytest.mark.parametrize(
    ("max_bytes", "rows", "truncated"),
    [(EXACT, 3, None), (EXACT - 1, 2, "max_bytes"), (EXACT - 4, 2, "max_bytes")],
)
def test_names_rows_and_what_parts_the_rows_count_as_bytes(
    max_bytes: int, rows: int, truncated: str | None
) -> None:
    result = cut(READ, 10, max_bytes)
    assert (len(result.rows), result.truncated) == (rows, truncated)
    assert len(result.row_texts) == rows
