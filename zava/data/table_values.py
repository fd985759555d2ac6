"""The values of columns that have few, as the caller's rows hold them."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from zava.data.statements import statement


def few_values(
    schema: str, table: str, columns: Sequence[str], rows: int, most: int
) -> str:
    """Return the query for the values of columns.

    Args:
        schema: Of the table.
        table: Its name as the catalogue has it.
        columns: Names of columns of texts, likewise.
        rows: Rows to look at, at most.
        most: Values of a column to return, at most.

    Returns:
        A query for one row: how many rows were looked at, and a list for each column.
    """
    names = [sql.Identifier(name) for name in columns]
    lists = (
        sql.SQL(statement("values_of_column")).format(
            column=name, most=sql.Literal(most)
        )
        for name in names
    )
    return (
        sql.SQL(statement("few_values"))
        .format(
            columns=sql.SQL(", ").join(names),
            table=sql.Identifier(schema, table),
            rows=sql.Literal(rows),
            lists=sql.SQL(", ").join(lists),
        )
        .as_string()
    )
