"""One entry of a mapping as SQL: its typed columns, its rows, how it is merged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from zava.admin.importing.mapping import TableMapping
from zava.admin.importing.staging import Stage
from zava.admin.importing.tables import Column, Reference, Shape, nearest
from zava.data.statements import statement
from zava.errors import ConfigurationError

_WORDS = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
# Digits of an order's UUID that its lines have too, hyphens counted.
_ORDER_PART = sql.Literal(28)
# Where a time without a zone is the store's own.
_LOCAL_TIMES = {("orders", "order_date"), ("inventory", "counted_at")}
LOCAL_TIME = "timestamp without time zone"
MOMENT = "timestamp with time zone"
DAY = "date"
# By PostgreSQL's own number of a type.
_TIMES = {1114: LOCAL_TIME, 1184: MOMENT}
# Texts that PostgreSQL takes for a time without one being written in them.
_RELATIVE = (
    r"\m(now|today|tomorrow|yesterday|epoch|infinity|allballs)\M"
)  # fmt: skip
# `UTC+2` lies west of Greenwich for PostgreSQL, and east for everybody else.
_POSIX_ZONE = r"(^|[^/[:alpha:]])[[:alpha:]]{3,}[+-][0-9:]+\s*$"


@dataclass
class Entry:
    """One entry of a mapping, ready to be run.

    Attributes:
        number: Its place, for the names of its tables.
        expressions: SQL of each column as the mapping gives it.
        sums: Those of them that are about all rows of a key.
        time_type: The type of the time that may be the store's local one.
        is_grouped: Whether equal rows are one.
    """

    number: int
    mapping: TableMapping
    shape: Shape
    stage: Stage
    expressions: dict[str, str]
    types: dict[str, str] = field(default_factory=dict)
    sums: frozenset[str] = frozenset()
    time_type: str = ""
    is_grouped: bool = True
    cast_version: int = -1

    @property
    def table(self) -> str:
        """The name of the table that is fed."""
        return self.shape.table.name

    @property
    def casts(self) -> sql.Identifier:
        """The temporary table of typed columns."""
        return sql.Identifier(f"zava_cast_{self.number}")

    @property
    def rows(self) -> sql.Identifier:
        """The temporary table of rows as they will stand."""
        return sql.Identifier(f"zava_rows_{self.number}")

    def names(self, reference: Reference) -> sql.Identifier:
        """The temporary table of the rows that a reference names."""
        return sql.Identifier(f"zava_names_{self.number}_{reference.name}")

    @property
    def is_about_orders(self) -> bool:
        """Whether its rows are orders or lines of orders."""
        return self.table in ("orders", "order_items")

    @property
    def numbers_lines(self) -> bool:
        """Whether a line is known by its order and its place among the order's."""
        return self.table == "order_items" and not self.has("source_id")

    @property
    def group(self) -> list[str]:
        """The columns whose rows stand or fall together: an order's, or a key's."""
        if self.table == "order_items":
            return ["order"]
        return [name for name in shown_key(self) if self.has(name)]

    @property
    def condition(self) -> sql.Composable:
        """Which lines of the file count."""
        return given_sql(self.mapping.where or "true")

    @property
    def time_column(self) -> str:
        """The time that may be the store's local one, "" for none."""
        return next(
            (c for t, c in _LOCAL_TIMES if t == self.table and c in self.expressions),
            "",
        )

    def has(self, column: str) -> bool:
        """Whether the mapping gives a column."""
        return column in self.expressions


def given_sql(text: str) -> sql.Composable:
    """Return an expression of the mapping, whose SQL is the administrator's own."""
    return sql.SQL("({})").format(sql.SQL(text))


def named(statement_name: str, /, **parts: sql.Composable) -> sql.Composed:
    """Return a statement with its identifiers, literals and expressions put in."""
    return sql.SQL(statement(statement_name)).format(**parts)


def listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Return parts with commas between them."""
    return sql.SQL(", ").join(parts)


def aliased(expression: sql.Composable, name: str) -> sql.Composed:
    """Return an expression under a name."""
    return sql.SQL("{} AS {}").format(expression, sql.Identifier(name))


def column_of(alias: str, column: str) -> sql.Identifier:
    """Return a column of an alias."""
    return sql.Identifier(alias, column)


def expressions_of(mapping: TableMapping, shape: Shape, stage: Stage) -> dict[str, str]:
    """Return the SQL of each column of a table, by the name that the model gives it.

    Raises:
        ConfigurationError: A column is not the table's, or named twice.
    """
    given = mapping.expressions
    if given is None:
        given = {name: '"' + name.replace('"', '""') + '"' for name in stage.columns}
    found: dict[str, str] = {}
    for name, expression in given.items():
        column = _known_as(name, shape)
        if column is None:
            known = list(shape.columns)
            raise ConfigurationError(
                f"{mapping.table} has no column {name} that a file can fill"
                f"{nearest(name, known) or ': it has ' + ', '.join(known)}"
            )
        if column in found:
            raise ConfigurationError(f"{mapping.table}: {column} is given twice")
        found[column] = expression
    if shape.table.has_source_id and "source_id" not in found:
        if mapping.table != "order_items":
            raise ConfigurationError(
                f"{mapping.table}: source_id is missing, the chain's own key of a row"
            )
        if "order" not in found:
            raise ConfigurationError(
                "order_items: order is missing, the source_id of the line's order"
            )
    for key in shape.table.key:
        name = next((r.name for r in shape.table.references if r.column == key), key)
        if not shape.table.has_source_id and key != "only_row" and name not in found:
            raise ConfigurationError(f"{mapping.table}: {name} is missing")
    return found


def _known_as(name: str, shape: Shape) -> str | None:
    if name in shape.columns:
        return name
    for reference in shape.table.references:
        if name in (reference.column, f"{reference.name}_source_id"):
            return reference.name
    return None


def typed_columns(entry: Entry) -> list[tuple[str, sql.Composable, bool]]:
    """Return name and SQL of every typed column, and whether it is about a key."""
    columns: list[tuple[str, sql.Composable, bool]] = []
    for name, expression in entry.expressions.items():
        given, is_sum = given_sql(expression), name in entry.sums
        if name == entry.time_column:
            columns += [
                (part, typed, is_sum) for part, typed in _time_columns(entry, given)
            ]
            continue
        columns.append((name, _typed(entry, name, given), is_sum))
    return columns


def _typed(entry: Entry, name: str, given: sql.Composable) -> sql.Composed:
    type_ = entry.shape.columns[name].type
    if type_ in (DAY, MOMENT):
        given = _fixed(entry, name, given)
    return sql.SQL("{}::{}").format(given, sql.SQL(type_))


def _fixed(entry: Entry, name: str, given: sql.Composable) -> sql.Composable:
    """Return a text so that PostgreSQL refuses one that means another time tomorrow."""
    if entry.types[name] in (DAY, LOCAL_TIME, MOMENT):
        return given
    return sql.SQL("(CASE WHEN {0} ~* {1} THEN {2} || {0} ELSE {0} END)").format(
        sql.SQL("{}::text").format(given),
        sql.Literal(_RELATIVE),
        sql.Literal("no fixed day: "),
    )


def _time_columns(
    entry: Entry, given: sql.Composable
) -> list[tuple[str, sql.Composable]]:
    """Return a time as a day, as a local time and as a moment; one is not NULL.

    PostgreSQL itself tells whether a text has a time and a zone: it refuses a second
    time and a second zone.
    """
    day: sql.Composable = sql.SQL("NULL::date")
    local: sql.Composable = sql.SQL("NULL::timestamp")
    moment: sql.Composable = sql.SQL("NULL::timestamptz")
    text: sql.Composable = sql.SQL("NULL::text")
    if entry.time_type == DAY:
        day = given
    elif entry.time_type == LOCAL_TIME:
        local = given
    elif entry.time_type == MOMENT:
        moment = given
    else:
        text = sql.SQL("{}::text").format(given)
        parts = {
            "text": text,
            "relative": sql.Literal(_RELATIVE),
            "posix": sql.Literal(_POSIX_ZONE),
        }
        day, local, moment = (
            named(name, **parts)
            for name in ("import_day_of", "import_local_of", "import_moment_of")
        )
    return [
        ("zava_text", text),
        ("zava_day", day),
        ("zava_local", local),
        ("zava_moment", moment),
    ]


def group_key(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Return the key of a group of rows as one text."""
    texts = (sql.SQL("({})::text").format(part) for part in parts)
    return sql.SQL("json_build_array({})::text").format(listed(texts))


def group_of_row(entry: Entry, alias: str) -> sql.Composed:
    """Return the key of the group of a row of `casts` or `rows`."""
    return group_key(column_of(alias, name) for name in entry.group)


def group_of_line(entry: Entry) -> sql.Composed:
    """Return the key of the group of a line of the file."""
    return group_key(
        _typed(entry, name, given_sql(entry.expressions[name])) for name in entry.group
    )


def columns_read(entry: Entry, *names: str) -> list[str]:
    """Return the columns of the file that expressions name.

    Args:
        entry: Of the mapping.
        *names: Of the columns that they fill, or `where`; all by default.
    """
    texts = {**entry.expressions, "where": entry.mapping.where}
    words = {
        quoted.replace('""', '"') or word
        for name in names or texts
        for quoted, word in _WORDS.findall(texts[name])
    }
    return [column for column in entry.stage.columns if column in words]


def columns_needed(entry: Entry) -> list[str]:
    """Return the columns without which the entry makes no new row."""
    needed = list(entry.shape.required)
    if entry.table == "orders" and not entry.has("business_day"):
        needed.append("order_date")
    return [name for name in needed if not entry.has(name)]


def updated_columns(entry: Entry) -> list[str]:
    """Return the columns that an update of a known row sets."""
    table = entry.shape.table
    columns = []
    for name in entry.expressions:
        reference = table.reference(name)
        column = reference.column if reference else name
        if column not in table.key and name != "source_id":
            columns.append(column)
    if table.name == "order_items" and entry.has("order"):
        columns.append("store_id")
    if table.name == "products" and entry.has("type") and not entry.has("category"):
        columns.append("category_id")
    return columns


def inserted_columns(entry: Entry) -> list[str]:
    """Return the columns that a new row is given."""
    columns = [*entry.shape.table.key, *updated_columns(entry)]
    if entry.shape.table.has_source_id and entry.has("source_id"):
        columns.append("source_id")
    if entry.table == "products" and not entry.has("sku"):
        columns.append("sku")
    if entry.table == "orders":
        columns += [name for name in _following(entry) if not entry.has(name)]
    return columns


def mapped_names(entry: Entry, columns: Iterable[str]) -> list[str]:
    """Return what the mapping calls columns, or those that they follow from."""
    names = {r.column: r.name for r in entry.shape.table.references}
    follows = {"sku": "source_id", "business_day": entry.time_column}
    called = (names.get(column, column) for column in columns)
    found = (name if entry.has(name) else follows.get(name, "") for name in called)
    return list(dict.fromkeys(name for name in found if name))


def type_name(number: int, name: str) -> str:
    """Return the name of a type, one of two for times.

    Args:
        number: PostgreSQL's own.
        name: As the driver knows it.
    """
    return _TIMES.get(number, name)


def placeholder_statement(entry: Entry, reference: Reference) -> sql.Composed:
    """Return the SQL that makes rows for what nobody knows."""
    key = sql.SQL("u.source_id")
    unknown = sql.SQL("'unknown {} ' || u.source_id").format(sql.SQL(reference.name))
    made: dict[str, dict[str, sql.Composable]] = {
        "stores": {"name": unknown},
        "products": {"sku": key, "name": unknown},
        "customers": {"last_name": unknown},
    }
    columns = made[reference.table]
    return named(
        "import_placeholders",
        table=sql.Identifier(reference.table),
        key=sql.Identifier(reference.key),
        columns=listed(map(sql.Identifier, columns)),
        values=listed(columns.values()),
        field=sql.Identifier(reference.name),
        cast=entry.casts,
        derived=derived_uuid(reference.table, key, "d"),
    )


def names_statement(entry: Entry, reference: Reference) -> sql.Composed:
    """Return the SQL that finds the rows that a reference names."""
    columns = [reference.key]
    if reference.name == "store":
        columns.append("time_zone")
    if reference.name == "order":
        columns.append("store_id")
    if reference.name == "type":
        columns.append("category_id")
    outputs: list[sql.Composable] = [column_of("t", column) for column in columns]
    derived: sql.Composable = sql.SQL("")
    if reference.name == "order" and entry.numbers_lines:
        derived = derived_uuid(reference.table, column_of("t", "source_id"), "d")
        outputs.append(
            sql.SQL("left(d.id::text, {}) AS zava_prefix").format(_ORDER_PART)
        )
    return named(
        "import_names",
        names=entry.names(reference),
        columns=listed(outputs),
        derived=derived,
        table=sql.Identifier(reference.table),
        field=sql.Identifier(reference.name),
        cast=entry.casts,
    )


def rows_statement(entry: Entry, earlier: Sequence[Entry] = ()) -> sql.Composed:
    """Return the SQL that finds each row's references, and the row that is there.

    Args:
        entry: Of the mapping.
        earlier: Those that feed the same table before it.
    """
    table = entry.shape.table
    outputs, joins = _resolved(entry, earlier)
    compared = sql.SQL(" OR ").join(
        sql.SQL("e.{0} IS DISTINCT FROM r.{0}").format(sql.Identifier(column))
        for column in updated_columns(entry)
    )
    differs = sql.SQL("({})").format(
        compared if updated_columns(entry) else sql.SQL("false")
    )
    if table.name == "customers":
        # Whoever asked to be forgotten stays so, whatever a later file says.
        differs = sql.SQL("(e.forgotten_on IS NULL AND {})").format(differs)
    derived: sql.Composable = sql.SQL("")
    key: sql.Composable = sql.SQL("NULL::uuid AS zava_key")
    match = keys_equal(entry, "e", "r")
    if table.has_source_id:
        own = sql.Identifier(table.key[0])
        derived = (
            named("import_line_key")
            if entry.numbers_lines
            else derived_uuid(table.name, column_of("r", "source_id"), "d")
        )
        key = aliased(sql.SQL("coalesce(e.{}, d.id)").format(own), table.key[0])
        match = (
            sql.SQL("e.source_id = r.source_id")
            if entry.has("source_id")
            else sql.SQL("e.{} = d.id").format(own)
        )
    return named(
        "import_rows",
        rows=entry.rows,
        differs=differs,
        key=key,
        resolved=named(
            "import_resolved",
            outputs=listed(outputs),
            source=(
                named("import_numbered", cast=entry.casts)
                if entry.numbers_lines
                else sql.SQL("pg_temp.{}").format(entry.casts)
            ),
            joins=sql.SQL("\n").join(joins),
        ),
        derived=derived,
        table=sql.Identifier(table.name),
        match=match,
    )


def _resolved(
    entry: Entry, earlier: Sequence[Entry]
) -> tuple[list[sql.Composable], list[sql.Composable]]:
    """Return the columns of the rows as they will stand, and the joins they need."""
    table = entry.shape.table
    outputs: list[sql.Composable] = [sql.SQL("c.zava_row"), sql.SQL("c.zava_lines")]
    joins: list[sql.Composable] = []
    for name in entry.expressions:
        if reference := table.reference(name):
            key, more = _resolve(entry, reference)
            outputs += [column_of("c", name), aliased(key, reference.column)]
            joins += more
        elif name == entry.time_column:
            zone = "r_store.time_zone" if entry.has("store") else "NULL"
            moment = sql.SQL(
                "coalesce(c.zava_moment, coalesce(c.zava_local,"
                " c.zava_day + h.day_starts_at) AT TIME ZONE {})"
            ).format(sql.SQL(zone))
            outputs.append(aliased(moment, name))
        elif name in (following := _following(entry)):
            outputs.append(
                aliased(
                    sql.SQL("coalesce({}, {})").format(
                        column_of("c", name), sql.SQL(following[name])
                    ),
                    name,
                )
            )
        else:
            outputs.append(aliased(_with_default(entry.shape.columns[name]), name))
    outputs += [sql.SQL(more) for more in _added(entry)]
    if entry.table == "orders" or entry.time_column:
        joins.append(sql.SQL("CROSS JOIN retail.chain AS h"))
    if entry.numbers_lines:
        before = [e for e in earlier if e.numbers_lines]
        if before:
            joins.append(_lines_before(before))
        outputs.append(
            sql.SQL("r_order.zava_prefix, {} + c.zava_line AS zava_line").format(
                sql.SQL("coalesce(b.lines, 0)" if before else "0")
            )
        )
    return outputs, joins


def _lines_before(entries: Sequence[Entry]) -> sql.Composed:
    """Return the join that counts the lines of an order in earlier entries."""
    lines = sql.SQL(" UNION ALL ").join(
        named("import_orders_of_lines", cast=entry.casts) for entry in entries
    )
    return sql.SQL(
        'LEFT JOIN (SELECT l."order", count(*) AS lines FROM ({}) AS l'
        ' GROUP BY l."order") AS b ON b."order" = c."order"'
    ).format(lines)


def _following(entry: Entry) -> dict[str, str]:
    """Return SQL of the columns that follow from others where a file says nothing."""
    if entry.table == "products":
        return {"sku": "c.source_id"}
    if entry.table != "orders":
        return {}
    following = {"status": "'completed'::text", "business_day": "NULL::date"}
    if entry.has("store") and entry.time_column:
        following["business_day"] = (
            "coalesce(c.zava_day, ((CASE WHEN c.zava_moment IS NULL THEN c.zava_local"
            " ELSE c.zava_moment AT TIME ZONE r_store.time_zone END)"
            " - h.day_starts_at)::date)"
        )
    elif entry.has("store") and entry.has("business_day"):
        following["order_date"] = (
            "(c.business_day + h.day_starts_at) AT TIME ZONE r_store.time_zone"
        )
    return following


def _added(entry: Entry) -> Iterable[str]:
    """Yield the columns that the mapping does not give and rows have all the same."""
    if entry.table == "chain":
        yield "true AS only_row"
    for name, value in _following(entry).items():
        if not entry.has(name):
            yield f"{value} AS {name}"
    if entry.table == "products" and entry.has("type") and not entry.has("category"):
        yield "r_type.category_id AS category_id"
    if entry.has("order"):
        yield "r_order.store_id AS store_id"


def _with_default(column: Column) -> sql.Composable:
    value = column_of("c", column.name)
    if column.default is None or not column.is_required:
        return value
    default = sql.SQL(column.default)
    return sql.SQL("coalesce({}, {})").format(value, default)


def _resolve(
    entry: Entry, reference: Reference
) -> tuple[sql.Composable, list[sql.Composable]]:
    """Return the key of a row that is named, and the joins that find it."""
    alias = f"r_{reference.name}"
    join = sql.SQL("LEFT JOIN pg_temp.{} AS {} ON {} = {}").format(
        entry.names(reference),
        sql.Identifier(alias),
        column_of(alias, "source_id"),
        column_of("c", reference.name),
    )
    if reference.table != entry.table:
        return column_of(alias, reference.key), [join]
    # It may be in the same file.
    own = f"s_{reference.name}"
    among = sql.SQL(
        "LEFT JOIN (SELECT DISTINCT source_id FROM pg_temp.{}) AS {} ON {} = {}"
    ).format(
        entry.casts,
        sql.Identifier(own),
        column_of(own, "source_id"),
        column_of("c", reference.name),
    )
    derived = derived_uuid(
        entry.table, column_of("c", reference.name), f"d_{reference.name}"
    )
    key = sql.SQL("coalesce({}, CASE WHEN {} IS NOT NULL THEN {} END)").format(
        column_of(alias, reference.key),
        column_of(own, "source_id"),
        column_of(f"d_{reference.name}", "id"),
    )
    return key, [join, among, derived]


def derived_uuid(table: str, source: sql.Composable, alias: str) -> sql.Composed:
    """Return the join that makes a UUID of a table's name and the chain's own key."""
    return named(
        "import_derived",
        name=sql.Literal(table),
        source=source,
        alias=sql.Identifier(alias),
    )


def keys_equal(entry: Entry, left: str, right: str) -> sql.Composable:
    """Return the condition that two aliases are about one row."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(column_of(left, key), column_of(right, key))
        for key in entry.shape.table.key
    )


def keys(entry: Entry) -> sql.Composable:
    """Return the columns that identify a row in the database."""
    return listed(map(sql.Identifier, entry.shape.table.key))


def shown_key(entry: Entry) -> list[str]:
    """Return the columns by which a person knows a row."""
    table = entry.shape.table
    if table.has_source_id:
        return ["source_id"]
    names = {r.column: r.name for r in table.references}
    return [names.get(key, key) for key in table.key]
