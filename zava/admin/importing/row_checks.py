"""The checks of rows before they are merged: each finds what cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from zava.admin.importing.refusals import IS_EMPTY


@dataclass(frozen=True)
class Check:
    """What finds rows that cannot be loaded.

    Attributes:
        query: Returns zava_row, column, value and reason of each.
        condition: True of such a row; None if the check looks at other rows too.
        fallback: Column and SQL that may fail for a row, None if nothing fails.
    """

    query: sql.Composed
    condition: sql.Composable | None = None
    fallback: tuple[str, sql.Composable] | None = None


def checks_of(entry: Entry) -> list[Check]:
    """Return the checks of an entry's rows, in the order in which they are told."""
    table = entry.shape.table
    checks: list[Check] = []
    if entry.time_column and entry.has("store"):
        checks.append(
            Check(
                named(
                    "import_check_time",
                    name=sql.Literal(entry.time_column),
                    cast=entry.casts,
                )
            )
        )
    for name in entry.expressions:
        checks += _column_checks(entry, name)
    checks += _constraint_checks(entry)
    if entry.has("type") and table.name == "products":
        checks.append(Check(named("import_check_types", rows=entry.rows)))
    checks += _unique_checks(entry)
    return checks


def _row_check(
    entry: Entry,
    name: str,
    condition: sql.Composable,
    *,
    value: sql.Composable,
    reason: sql.Composable,
    fallback: tuple[str, sql.Composable] | None = None,
) -> Check:
    query = named(
        "import_check_rows",
        name=sql.Literal(name),
        value=value,
        reason=reason,
        rows=entry.rows,
        condition=condition,
    )
    return Check(query, condition, fallback)


def _column_checks(entry: Entry, name: str) -> Iterable[Check]:
    column = entry.shape.columns[name]
    reference = entry.shape.table.reference(name)
    field = sql.Identifier(name)
    if column.is_required or name == "source_id":
        missing = sql.SQL("{} IS NULL").format(field)
        if name == entry.time_column:
            # A time whose store is unknown is not empty.
            missing = sql.SQL(
                "zava_row IN (SELECT c.zava_row FROM pg_temp.{} AS c WHERE"
                " num_nonnulls(c.zava_day, c.zava_local, c.zava_moment) = 0)"
            ).format(entry.casts)
        yield _row_check(
            entry,
            name,
            missing,
            value=sql.SQL("NULL"),
            reason=sql.Literal(IS_EMPTY),
        )
    if reference:
        yield _row_check(
            entry,
            name,
            sql.SQL("{} IS NOT NULL AND {} IS NULL").format(
                field, sql.Identifier(reference.column)
            ),
            value=field,
            reason=sql.Literal(f"{reference.table} has no such source_id"),
        )
    if column.length is not None:
        yield _row_check(
            entry,
            name,
            sql.SQL("length({}) > {}").format(field, sql.Literal(column.length)),
            value=sql.SQL("left({}, 100)").format(field),
            reason=sql.Literal(f"longer than {column.length} characters"),
        )
    if column.precision is not None:
        whole = column.precision - column.scale
        too_large = sql.SQL("abs({}) >= {}").format(field, sql.SQL(f"1e{whole}"))
        yield _row_check(
            entry,
            name,
            sql.SQL("{} OR {} <> round({}, {})").format(
                too_large, field, field, sql.Literal(column.scale)
            ),
            value=sql.SQL("{}::text").format(field),
            reason=sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(
                too_large,
                sql.Literal(f"more than {whole} digits before the point"),
                sql.Literal(
                    f"more than {column.scale} digits after the point: round() it in"
                    " the mapping if that is meant"
                ),
            ),
        )


def _constraint_checks(entry: Entry) -> Iterable[Check]:
    there = {*inserted_columns(entry), *updated_columns(entry)}
    names = {r.column: r.name for r in entry.shape.table.references}
    for name, expression, columns in entry.shape.checks:
        given = [c for c in columns if names.get(c, c) in entry.expressions]
        if not columns <= there or not given:
            continue
        shown = sorted(names.get(c, c) for c in given)
        holds = sql.SQL("({})").format(sql.SQL(expression))
        yield _row_check(
            entry,
            ", ".join(shown),
            sql.SQL("{} IS FALSE").format(holds),
            value=sql.SQL("concat_ws(', ', {})").format(
                listed(map(sql.Identifier, shown))
            ),
            reason=sql.Literal(f"breaks the rule {name}: {expression}"),
            fallback=(", ".join(shown), holds),
        )


def uniques_of(entry: Entry) -> Iterable[tuple[tuple[str, ...], bool]]:
    """Yield columns that no two rows share and an entry gives; empty ones are equal."""
    table = entry.shape.table
    there = {*inserted_columns(entry), *updated_columns(entry)}
    for _, columns, nulls_equal in entry.shape.uniques:
        if set(columns) & set(table.key) or columns == ("source_id",):
            continue
        if set(columns) <= there:
            yield columns, nulls_equal


def columns_equal(
    entry: Entry, columns: Sequence[str], *, nulls_equal: bool
) -> sql.Composable:
    """Return the condition that the rows t and r share unique columns."""
    references = {r.column for r in entry.shape.table.references}
    return sql.SQL(" AND ").join(
        # Where no column is compared by =, PostgreSQL compares each row with each.
        sql.SQL(
            "t.{0} IS NOT DISTINCT FROM r.{0}"
            if nulls_equal and c in references
            else "t.{0} = r.{0}"
        ).format(sql.Identifier(c))
        for c in columns
    )


def _unique_checks(entry: Entry) -> Iterable[Check]:
    table = entry.shape.table
    for columns, nulls_equal in uniques_of(entry):
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
        yield Check(
            named(
                "import_check_unique_in_file",
                columns=listed(column_of("k", c) for c in columns),
                counts=filled,
                **parts,
            )
        )
        yield Check(
            named(
                "import_check_unique",
                table=sql.Identifier(table.name),
                same=columns_equal(entry, columns, nulls_equal=nulls_equal),
                is_loaded=keys_equal(entry, "k", "t"),
                **parts,
            )
        )
