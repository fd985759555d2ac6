"""Rows that do not go together: of one key, of two entries, with what a row keeps."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from zava.admin.importing.entries import (
    Entry,
    aliased,
    column_of,
    inserted_columns,
    keys,
    keys_equal,
    listed,
    mapped_names,
    named,
    shown_key,
    updated_columns,
)


def key_check(entry: Entry) -> sql.Composed:
    """Return the check of rows of one key that do not agree."""
    return named(
        "import_check_keys",
        name=sql.Literal(", ".join(shown_key(entry))),
        shown=listed(column_of("c", name) for name in shown_key(entry)),
        keys=keys(entry),
        rows=entry.rows,
        # A mapping calls them by the name of the reference.
        hidden=sql.Literal([r.column for r in entry.shape.table.references]),
    )


def part_check(entry: Entry, earlier: Entry) -> sql.Composed | None:
    """Return the check against another entry of the same table, None if none is needed.

    Two entries may give columns of one row; a column that both give has one value.
    """
    both = sorted({*updated_columns(entry)} & {*updated_columns(earlier)})
    # A line that is known by its place shares its key with none.
    if not both or entry.numbers_lines or earlier.numbers_lines:
        return None
    names = {r.column: r.name for r in entry.shape.table.references}
    differing = [
        sql.SQL("CASE WHEN {} IS DISTINCT FROM {} THEN {} END").format(
            column_of("r", c), column_of("f", c), sql.Literal(names.get(c, c))
        )
        for c in both
    ]
    return named(
        "import_check_parts",
        name=sql.Literal(", ".join(shown_key(entry))),
        shown=listed(column_of("r", name) for name in shown_key(entry)),
        differing=listed(differing),
        rows=entry.rows,
        earlier=earlier.rows,
        match=keys_equal(entry, "f", "r"),
    )


def own_reference_checks(entry: Entry) -> Iterable[sql.Composed]:
    """Yield the checks of rows that name a refused row of their own file."""
    table = entry.shape.table
    for reference in table.references:
        if reference.table == table.name and entry.has(reference.name):
            yield named(
                "import_check_own_reference",
                name=sql.Literal(reference.name),
                field=column_of("r", reference.name),
                column=column_of("r", reference.column),
                key=sql.Identifier(reference.key),
                table=sql.Identifier(table.name),
                rows=entry.rows,
            )


def kept_checks(entry: Entry) -> Iterable[sql.Composed]:
    """Yield the checks of rules over columns that the mapping does not give alone."""
    written = {*inserted_columns(entry), *updated_columns(entry)}
    for name, expression, columns in entry.shape.checks:
        follows = {"sku", "business_day"} - entry.expressions.keys()
        is_checked = columns <= written and not columns & follows
        if mapped_names(entry, columns) and not is_checked:
            yield named(
                "import_check_kept",
                reason=sql.Literal(f"breaks the rule {name}: {expression}"),
                expression=sql.SQL(expression),
                **_parts(entry, columns),
            )
    for _, unique, nulls_equal in entry.shape.uniques:
        if mapped_names(entry, unique) and not set(unique) <= written:
            # A record of other types could not be compared.
            row = sql.SQL("ROW({})").format(
                listed(sql.SQL("{}::text").format(sql.Identifier(c)) for c in unique)
            )
            if not nulls_equal:
                row = sql.SQL("CASE WHEN num_nulls({}) = 0 THEN {} END").format(
                    listed(map(sql.Identifier, unique)), row
                )
            yield from _shared(entry, row, unique)


def _shared(
    entry: Entry, expression: sql.Composable, columns: Iterable[str]
) -> Iterable[sql.Composed]:
    parts = _parts(entry, columns)
    yield named("import_check_shared_in_file", expression=expression, **parts)
    yield named(
        "import_check_shared",
        expression=expression,
        table=sql.Identifier(entry.table),
        loaded=entry.rows,
        is_loaded=keys_equal(entry, "k", "t"),
        **parts,
    )


def _parts(entry: Entry, columns: Iterable[str]) -> dict[str, sql.Composable]:
    """Return what a check says of columns, and the rows with all of these."""
    shown = mapped_names(entry, sorted(columns))
    values = [
        sql.SQL("{}::text").format(
            column_of("r", "business_day" if name == entry.time_column else name)
        )
        for name in shown
    ]
    return {
        "name": sql.Literal(", ".join(shown)),
        "value": sql.SQL("concat_ws(', ', {})").format(listed(values)),
        "rows": _rows_with(entry, columns),
    }


def _rows_with(entry: Entry, columns: Iterable[str]) -> sql.Composable:
    written = {*inserted_columns(entry), *updated_columns(entry)}
    lacking = sorted(set(columns) - written)
    if not lacking:
        return sql.SQL("pg_temp.{}").format(entry.rows)
    kept = []
    for name in lacking:
        column = entry.shape.columns.get(name)
        default = column.default if column is not None else None
        value = sql.SQL("CASE WHEN r.zava_exists THEN {} ELSE {} END").format(
            column_of("t", name), sql.SQL(default or "NULL")
        )
        kept.append(aliased(value, name))
    return named(
        "import_rows_with_kept",
        kept=listed(kept),
        rows=entry.rows,
        table=sql.Identifier(entry.table),
        match=keys_equal(entry, "t", "r"),
    )
