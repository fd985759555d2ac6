"""The checks of rows before they are merged: each finds what cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from zava.admin.importing.entries import (
    Entry,
    column_of,
    inserted_columns,
    keys_equal,
    listed,
    mapped_names,
    named,
    updated_columns,
)
from zava.admin.importing.tables import Column


def checks_of(
    entry: Entry,
) -> Iterable[tuple[sql.Composed, tuple[str, sql.Composable] | None]]:
    """Yield each check, and column and SQL of those that may fail themselves."""
    shape, rows = entry.shape, entry.rows
    table = shape.table
    if entry.time_column and entry.has("store"):
        yield (
            named(
                "import_check_time",
                name=sql.Literal(entry.time_column),
                cast=entry.casts,
            ),
            None,
        )
    for name in entry.expressions:
        column, reference = shape.columns[name], table.reference(name)
        if column.is_required or name == "source_id":
            missing = sql.SQL("{} IS NULL").format(sql.Identifier(name))
            if name == entry.time_column:
                # A time whose store is unknown is not empty.
                missing = sql.SQL(
                    "zava_row IN (SELECT c.zava_row FROM pg_temp.{} AS c WHERE"
                    " num_nonnulls(c.zava_day, c.zava_local, c.zava_moment) = 0)"
                ).format(entry.casts)
            yield (
                named(
                    "import_check_empty",
                    name=sql.Literal(name),
                    rows=rows,
                    condition=missing,
                ),
                None,
            )
        if reference:
            yield (
                named(
                    "import_check_reference",
                    name=sql.Literal(name),
                    field=sql.Identifier(name),
                    column=sql.Identifier(reference.column),
                    rows=rows,
                    reason=sql.Literal(f"{reference.table} has no such source_id"),
                ),
                None,
            )
        if column.length is not None:
            yield (
                named(
                    "import_check_length",
                    name=sql.Literal(name),
                    column=sql.Identifier(name),
                    rows=rows,
                    length=sql.Literal(column.length),
                    reason=sql.Literal(f"longer than {column.length} characters"),
                ),
                None,
            )
        if column.precision is not None:
            yield (_digits(entry, column), None)
    yield from _constraint_checks(entry)
    if entry.has("type") and table.name == "products":
        yield named("import_check_types", rows=rows), None
    for _, columns, nulls_equal in shape.uniques:
        yield from _unique_checks(entry, columns, nulls_equal)


def _digits(entry: Entry, column: Column) -> sql.Composed:
    whole = (column.precision or 0) - column.scale
    return named(
        "import_check_digits",
        name=sql.Literal(column.name),
        column=sql.Identifier(column.name),
        rows=entry.rows,
        limit=sql.SQL(f"1e{whole}"),
        scale=sql.Literal(column.scale),
        too_large=sql.Literal(f"more than {whole} digits before the point"),
        too_exact=sql.Literal(
            f"more than {column.scale} digits after the point: round() it in the"
            " mapping if that is meant"
        ),
    )


def _constraint_checks(
    entry: Entry,
) -> Iterable[tuple[sql.Composed, tuple[str, sql.Composable]]]:
    there = {*inserted_columns(entry), *updated_columns(entry)}
    names = {r.column: r.name for r in entry.shape.table.references}
    for name, expression, columns in entry.shape.checks:
        given = [c for c in columns if names.get(c, c) in entry.expressions]
        if not columns <= there or not given:
            continue
        shown = sorted(names.get(c, c) for c in given)
        sql_ = sql.SQL(expression)
        yield (
            named(
                "import_check_constraint",
                name=sql.Literal(", ".join(shown)),
                value=sql.SQL("concat_ws(', ', {})").format(
                    listed(map(sql.Identifier, shown))
                ),
                reason=sql.Literal(f"breaks the rule {name}: {expression}"),
                rows=entry.rows,
                expression=sql_,
            ),
            (", ".join(shown), sql.SQL("({})").format(sql_)),
        )


def _unique_checks(
    entry: Entry, columns: Sequence[str], nulls_equal: bool
) -> Iterable[tuple[sql.Composed, None]]:
    table = entry.shape.table
    there = {*inserted_columns(entry), *updated_columns(entry)}
    if set(columns) & set(table.key) or columns == ("source_id",):
        return
    if not set(columns) <= there:
        return
    names = {r.column: r.name for r in table.references}
    shown = mapped_names(entry, columns)
    parts = {
        "name": sql.Literal(", ".join(shown)),
        "shown": listed(column_of("r", c) for c in shown),
        "rows": entry.rows,
    }
    filled: sql.Composable = sql.SQL("true")
    if not nulls_equal:
        filled = sql.SQL(" AND ").join(
            sql.SQL("{} IS NOT NULL").format(column_of("k", c)) for c in columns
        )
    yield (
        named(
            "import_check_unique_in_file",
            columns=listed(column_of("k", c) for c in columns),
            counts=filled,
            **parts,
        ),
        None,
    )
    same = sql.SQL(" AND ").join(
        sql.SQL(
            "t.{0} IS NOT DISTINCT FROM r.{0}"
            if nulls_equal and c in names
            else "t.{0} = r.{0}"
        ).format(sql.Identifier(c))
        for c in columns
    )
    yield (
        named(
            "import_check_unique",
            table=sql.Identifier(table.name),
            same=same,
            is_loaded=keys_equal(entry, "k", "t"),
            **parts,
        ),
        None,
    )
