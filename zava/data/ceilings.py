"""The ceilings of rows and bytes that every result is cut at."""

from __future__ import annotations

from pydantic_core import to_json

from zava.data.transaction import Rows
from zava.errors import ResultTooLargeError
from zava.models import ResultSet, Truncation


def cut(read: Rows, max_rows: int, max_bytes: int | None) -> ResultSet:
    """Return the rows that fit under both ceilings; column names count as bytes.

    Args:
        read: The rows; one more than `max_rows` if the query has more.
        max_rows: Rows at most.
        max_bytes: Bytes of JSON at most; None for no ceiling.

    Raises:
        ResultTooLargeError: The names or the first row alone exceed `max_bytes`.
    """
    columns, rows, is_cut, as_of, _ = read
    truncated: Truncation | None = "max_rows" if len(rows) > max_rows else None
    if is_cut and len(rows) <= max_rows:
        truncated = "max_bytes"
    texts: list[str] = []
    size = len(to_json([column.name for column in columns]))
    if max_bytes is not None and size > max_bytes:
        raise ResultTooLargeError(
            f"the names of the columns alone take more than the {max_bytes} bytes that"
            " a whole result may take: select fewer columns"
        )
    for row in rows[:max_rows]:
        text = to_json(row)
        size += len(text) + 1
        if max_bytes is not None and size > max_bytes:
            truncated = "max_bytes"
            break
        texts.append(text.decode())
    if truncated == "max_bytes" and not texts:
        raise ResultTooLargeError(
            f"the first row alone takes more than the {max_bytes} bytes that a whole"
            " result may take; select fewer columns, or cut long ones with left()"
        )
    return ResultSet(
        columns=columns,
        rows=tuple(rows[: len(texts)]),
        row_texts=tuple(texts),
        truncated=truncated,
        as_of=as_of,
    )
