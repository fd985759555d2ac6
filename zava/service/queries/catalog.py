"""SchemaCatalog: descriptions of the tables that a caller may query."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.table_values import few_values
from zava.data.transaction import Query
from zava.errors import MCPError, ValidationError
from zava.infra.answer_age import reading
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import ColumnSchema, ForeignKey, Identity, Person, TableSchema
from zava.service.metrics.finding import likeness, words_of

SCHEMA = "retail"
MAX_TABLES = 20

# A table with so few visible rows is shown whole; of a larger one, a few rows.
_WHOLE_TABLE_ROWS = 12
SAMPLE_ROWS = 3
_SAMPLE_BYTES = 256 * 1024
_CELL_LENGTH = 200
_MOST_VALUES = 100
# Of a column without a list of its own: what is looked at, and what is worth listing.
_FIRST_LOOK = 1000
_WHOLE_LOOK = 100_000
_FEW_VALUES = 30
_FEW_VALUES_LENGTH = 500
_LONGEST_VALUE = 60
_LONGEST_VALUES = 4000
_CATALOG_ROWS = 100_000
_NEAR = 5
_NEAR_OF_SEVERAL = 2
_TOLD_LENGTH = 63
_UNSHOWN_TYPES = re.compile(r"^vector\b")
_TEXTS = ("text", "character")
_UNSHOWN_COLUMNS = {"created_at", "updated_at"}
_LITERAL = re.compile(r"'((?:[^']|'')*)'::")

Names = Mapping[str, Mapping[str, Any]]
"""By the name of a table: how it is written, its description, whether it serves zava
alone, and whether it holds rows of its own."""

# What is kept besides the tables; no table has such names.
_PERSON = ("", "person")
_WORDS = ("", "words")

Detail = Literal["names", "summary", "full"]

# What people call what the tables hold.
_OTHER_WORDS: Mapping[str, str] = {
    "article": "product",
    "basket": "order",
    "bill": "order",
    "branch": "store",
    "buyer": "customer",
    "client": "customer",
    "department": "category",
    "income": "revenue",
    "item": "product",
    "location": "store",
    "margin": "cost",
    "purchase": "order",
    "receipt": "order",
    "sale": "order revenue",
    "shop": "store",
    "shopper": "customer",
    "stock": "inventory",
    "supply": "inventory",
    "ticket": "order",
    "together": "pair",
    "transaction": "order",
    "turnover": "revenue",
    "visit": "order",
}
_NAME, _COLUMN, _COMMENT, _OTHER = 4.0, 2.0, 1.0, 0.8
_KEPT = 0.4
_MOST_SUMMARIES = 15


class Described(NamedTuple):
    """Tables, and what the person who asks sees of them.

    Attributes:
        as_of: The time up to which all this is complete.
    """

    person: Person
    tables: tuple[TableSchema, ...]
    as_of: datetime | None = None


class Found(NamedTuple):
    """Tables that some words speak of, the best first.

    Attributes:
        tables: By the name of a table, its description and its columns.
        described: The whole descriptions, where they were asked for.
        left_out: How many more there are.
        as_of: The time up to which all this is complete.
    """

    person: Person
    tables: Mapping[str, tuple[str | None, Sequence[str]]]
    described: tuple[TableSchema, ...]
    left_out: int
    as_of: datetime | None = None


class SchemaCatalog:
    """Describes the tables of the retail schema as one caller sees them."""

    def __init__(self, provider: PostgreSQLProvider, cache: QueryCache) -> None:
        self._provider = provider
        self._cache = cache

    def describe(
        self, table_names: Sequence[str], rls_user_id: str
    ) -> tuple[TableSchema, ...]:
        """Return one description per table, in the order asked for.

        Args:
            table_names: Names with or without `retail.`, as a query writes them or
                in any case.
            rls_user_id: Who asks; samples are rows that they may see.

        Raises:
            ValidationError: No name, too many, or an unknown one.
        """
        return self.answer(self.check(table_names), rls_user_id).tables

    def check(self, table_names: Sequence[str]) -> Sequence[str]:
        """Return the names; they are neither too few nor too many.

        Raises:
            ValidationError: They are.
        """
        if not 1 <= len(table_names) <= MAX_TABLES:
            raise ValidationError(
                "table_names", table_names, f"must hold 1 to {MAX_TABLES} names"
            )
        return table_names

    def answer(self, table_names: Sequence[str], rls_user_id: str) -> Described:
        """Return one description per checked name; see `describe`."""
        identity = self._provider.resolve_identity(rls_user_id)
        with reading() as read:
            wanted = _chosen(self._names(identity), table_names)
            tables = tuple(self._table(name, identity) for name in wanted)
            person = self._person(identity)
        return Described(person, tables, read.as_of)

    def person(self, rls_user_id: str) -> Person:
        """Return what a person sees: which stores, and until which day."""
        return self._person(self._provider.resolve_identity(rls_user_id))

    def find(self, search: str | None, detail: Detail, rls_user_id: str) -> Found:
        """Return the tables that some words speak of; all of them without words.

        Args:
            search: Words of names, columns and comments, or what people call these.
            detail: `full` for whole descriptions, of as many tables as `describe`
                takes.
            rls_user_id: Who asks.
        """
        identity = self._provider.resolve_identity(rls_user_id)
        with reading() as read:
            found = self._find(search or "", detail, identity)
        return found._replace(as_of=read.as_of)

    def _find(self, search: str, detail: Detail, identity: Identity) -> Found:
        names = _described(self._names(identity))
        columns: dict[str, dict[str, str]] = {name: {} for name in names}
        for row in self._words(identity):
            if row["table_name"] in names:
                columns[row["table_name"]][row["written"]] = row["comment"] or ""
        found = _found(search, names, columns)
        most = {"names": _MOST_VALUES, "summary": _MOST_SUMMARIES, "full": MAX_TABLES}
        kept = found[: most[detail]]
        return Found(
            self._person(identity),
            {
                f"{SCHEMA}.{names[name]['written']}": (
                    names[name]["description"],
                    list(columns[name]),
                )
                for name in kept
            },
            tuple(self._table(name, identity) for name in kept)
            if detail == "full"
            else (),
            len(found) - len(kept),
        )

    def peek(self, table_names: Sequence[str], rls_user_id: str) -> Described | None:
        """Return the kept descriptions, or None; never waits for anything.

        Raises:
            ValidationError: There is no such table.
        """
        identity = self._provider.known_identity(rls_user_id)
        if identity is None:
            return None
        with reading() as read:
            names = self._cache.peek(self._key(identity), kind="schema")
            if names is None:
                return None
            kept = [
                self._cache.peek(self._key(identity, name), kind="schema")
                for name in _chosen(names, table_names)
            ]
            person = self._cache.peek(self._key(identity, *_PERSON), kind="schema")
        if person is None or None in kept:
            return None
        return Described(person, tuple(kept), read.as_of)

    def near_tables(self, name: str, rls_user_id: str) -> list[str]:
        """Return the tables whose names are near, as a query writes them."""
        identity = self._provider.resolve_identity(rls_user_id)
        return _near_tables(name, _described(self._names(identity)))

    def columns_of(self, query: str, rls_user_id: str) -> dict[str, list[str]]:
        """Return the columns of the tables that a query names, as they are written."""
        identity = self._provider.resolve_identity(rls_user_id)
        names = _described(self._names(identity))
        text = query.lower()
        words = set(re.findall(r"\w+", text))
        used = [
            name
            for name in names
            # A name that is no word stands in the query between quotes.
            if name.lower() in (words if re.fullmatch(r"\w+", name) else text)
        ][:MAX_TABLES]
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._rows("list_columns", identity, {"tables": used}):
            found[names[row["table_name"]]["written"]].append(row["written"])
        return dict(found)

    def indexes_of(
        self, tables: Sequence[str], rls_user_id: str
    ) -> list[dict[str, Any]]:
        """Return the indexes of tables, by the tables' bare names."""
        if not tables:
            return []
        identity = self._provider.resolve_identity(rls_user_id)
        return self._rows("list_indexes", identity, {"tables": list(tables)})

    def _person(self, identity: Identity) -> Person:
        def read() -> Person:
            (row,) = self._rows("person", identity)
            return Person.model_validate({**row, "name": identity.display_name})

        person: Person = self._cache.get_cached_result(
            self._key(identity, *_PERSON),
            read,
            kind="schema",
            sharing=Sharing(identity, Person),
        )
        return person

    def _words(self, identity: Identity) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._cache.get_cached_result(
            self._key(identity, *_WORDS),
            lambda: self._rows("list_words", identity),
            kind="schema",
            sharing=Sharing(identity, list[dict[str, Any]]),
        )
        return rows

    def _names(self, identity: Identity) -> Names:
        def read() -> Names:
            rows = self._rows("list_tables", identity)
            return {row["table_name"]: row for row in rows}

        names: Names = self._cache.get_cached_result(
            self._key(identity),
            read,
            kind="schema",
            sharing=Sharing(identity, dict[str, dict[str, Any]]),
        )
        return names

    def _table(self, name: str, identity: Identity) -> TableSchema:
        described: TableSchema = self._cache.get_cached_result(
            self._key(identity, name),
            lambda: self._read(name, identity),
            kind="schema",
            sharing=Sharing(identity, TableSchema),
        )
        return described

    def _key(self, identity: Identity, *table: str) -> str:
        return self._cache.key("schema_catalog", identity, table)

    def _read(self, name: str, identity: Identity) -> TableSchema:
        asked = {"tables": [name]}
        facts = self._names(identity)[name]
        columns = []
        for row in self._rows("list_columns", identity, asked):
            listed = row.pop("listed")
            values = tuple(row.pop("labels"))
            if listed:
                values = tuple(_LITERAL.findall(listed))
            # Of a view's column PostgreSQL does not know whether it is ever null.
            nullable = row["nullable"] and facts["has_rows"]
            known = {**row, "values": _few(values), "nullable": nullable}
            columns.append(ColumnSchema.model_validate(known))
        sample, note = self._sample(facts["written"], columns, identity)
        # A table that is shown whole shows its values.
        if facts["has_rows"] and len(sample) == SAMPLE_ROWS:
            seen = self._values(name, columns, identity)
            columns = [
                column.model_copy(update={"values": seen.get(column.name)})
                if column.values is None
                else column
                for column in columns
            ]
        return TableSchema(
            table=f"{SCHEMA}.{facts['written']}",
            description=facts["description"],
            columns=tuple(columns),
            foreign_keys=tuple(
                ForeignKey.model_validate(row)
                for row in self._rows("list_foreign_keys", identity, asked)
            ),
            sample_rows=sample,
            note=note,
        )

    def _sample(
        self, written: str, columns: Sequence[ColumnSchema], identity: Identity
    ) -> tuple[tuple[dict[str, Any], ...], str | None]:
        """Return sample rows, or none and why."""
        shown = {
            column.name: _shown(column)
            for column in columns
            if not _UNSHOWN_TYPES.match(column.type)
            and column.name not in _UNSHOWN_COLUMNS
        }
        listed = ", ".join(shown.values())
        query = f"SELECT {listed} FROM {SCHEMA}.{written}"  # noqa: S608 - names of the catalogue, quoted
        try:
            result = self._provider.fetch(
                query, identity, _WHOLE_TABLE_ROWS, _SAMPLE_BYTES, operation="schema"
            )
        except MCPError as exc:
            # A view of the operator's may fail; it can be described all the same.
            return (), f"its rows cannot be read: {exc.message[:_CELL_LENGTH]}"
        rows = result.rows[: SAMPLE_ROWS if result.truncated else None]
        return tuple(
            dict(zip(shown, map(_short, row), strict=True)) for row in rows
        ), None

    def _values(
        self, table: str, columns: Sequence[ColumnSchema], identity: Identity
    ) -> dict[str, tuple[str, ...]]:
        """Return every value of columns that have few, as the person's rows hold them.

        A table of many rows is not looked through.
        """
        names = [
            column.name
            for column in columns
            if _is_text(column) and column.values is None
        ]
        few, rows = self._distinct(table, names, _FIRST_LOOK, identity)
        if rows < _FIRST_LOOK or not few:
            return few
        few, rows = self._distinct(table, list(few), _WHOLE_LOOK, identity)
        return few if rows < _WHOLE_LOOK else {}

    def _distinct(
        self, table: str, names: Sequence[str], rows: int, identity: Identity
    ) -> tuple[dict[str, tuple[str, ...]], int]:
        """Return the values of columns that have few, and of how many rows.

        No row is looked at without a column; what cannot be read has no values.
        """
        if not names:
            return {}, 0
        query = few_values(SCHEMA, table, names, rows, _FEW_VALUES + 1)
        try:
            result = self._provider.fetch(
                query, identity, 1, _SAMPLE_BYTES, operation="schema"
            )
        except MCPError:
            return {}, 0  # the table is described without
        (count, *values) = result.rows[0]
        few = {
            name: tuple(sorted(found))
            for name, found in zip(names, values, strict=True)
            if _is_list(found, count)
        }
        return few, count

    def _rows(
        self,
        name: str,
        identity: Identity,
        parameters: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        (result,) = self._provider.fetch_all(
            [Query(statement(name), parameters)],
            identity,
            _CATALOG_ROWS,
            operation="schema",
        )
        return result.dicts()


def _is_list(values: Sequence[str], rows: int) -> bool:
    """Whether values are few enough to be listed, and a list at all."""
    if not 0 < len(values) <= _FEW_VALUES:
        return False
    # A text that is another one in each row is no list, unless the table is one.
    repeats = 2 * len(values) <= rows or rows <= _FEW_VALUES
    is_short = max(map(len, values)) <= _LONGEST_VALUE
    return repeats and is_short and sum(map(len, values)) <= _FEW_VALUES_LENGTH


def _found(
    search: str, names: Names, columns: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return the tables that words speak of, the best first; all without words."""
    words = words_of(search)
    if not words:
        return list(names)
    scores = {
        name: sum(
            max(
                (
                    share * _score(one, name, names[name]["description"], columns[name])
                    for one, share in _meant(word)
                ),
                default=0.0,
            )
            for word in words
        )
        for name in names
    }
    best = max(scores.values(), default=0.0)
    kept = [name for name in names if best and scores[name] >= _KEPT * best]
    return sorted(kept, key=lambda name: (-scores[name], len(name)))


def _meant(word: str) -> list[tuple[str, float]]:
    others = words_of(_OTHER_WORDS.get(word, "")) if word in _OTHER_WORDS else []
    return [(word, 1.0), *((other, _OTHER) for other in others)]


def _score(
    word: str, name: str, description: str | None, columns: Mapping[str, str]
) -> float:
    comments = " ".join(columns.values())
    return max(
        _NAME * likeness(word, words_of(name)),
        _COLUMN * likeness(word, words_of(" ".join(columns), None)),
        _COMMENT * (word in words_of(f"{description} {comments}", None)),
    )


def _chosen(names: Names, table_names: Sequence[str]) -> list[str]:
    """Return the tables that are meant, each once.

    Raises:
        ValidationError: Some are unknown or serve zava alone; says which.
    """
    by_lower = {name.lower(): name for name in names}
    wanted, internal, unknown = [], [], []
    for given in table_names:
        plain = _plain_name(given)
        name = plain if plain in names else by_lower.get(plain.lower())
        if name is None:
            unknown.append(plain)
        elif names[name]["is_internal"]:
            internal.append(names[name]["written"])
        else:
            wanted.append(name)
    if unknown or internal:
        reasons = []
        if internal:
            reasons.append(f"internal to zava and not described: {_told(internal)}")
        if unknown:
            reasons.append(f"unknown: {_told(unknown)}")
        nearest = _nearest(unknown + internal, _described(names))
        reasons.append(f"the nearest are {', '.join(nearest)}")
        raise ValidationError("table_names", table_names, "; ".join(reasons))
    return list(dict.fromkeys(wanted))


def _described(names: Names) -> Names:
    """Return the tables that are described, without those that serve zava alone."""
    return {name: row for name, row in names.items() if not row["is_internal"]}


def _told(names: Sequence[str]) -> str:
    """Return names as an error tells them, each once and none at length."""
    plain = (name.encode("utf-8", "replace").decode() for name in names)
    short = (" ".join(name.split())[:_TOLD_LENGTH] for name in plain)
    return ", ".join(dict.fromkeys(f'"{name}"' for name in short))


def _nearest(missing: Sequence[str], names: Names) -> list[str]:
    """Return the tables that are nearest to some names, each once."""
    each = _NEAR if len(missing) == 1 else _NEAR_OF_SEVERAL
    near = [table for name in missing for table in _near_tables(name, names)[:each]]
    return list(dict.fromkeys(near))


def _plain_name(name: str) -> str:
    bare = re.sub(rf'^\s*"?{SCHEMA}"?\s*\.\s*', "", name, flags=re.IGNORECASE).strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"':
        return bare[1:-1].replace('""', '"')
    return bare


def _few(values: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return every value or, where they are many or long, none."""
    if len(values) > _MOST_VALUES or sum(map(len, values)) > _LONGEST_VALUES:
        return None
    return values or None


def _shown(column: ColumnSchema) -> str:
    """What a sample reads of a column: of a long text its beginning."""
    name = _quoted(column.name)
    if _is_text(column):
        return f"left({name}, {_CELL_LENGTH + 1}) AS {name}"
    return name


def _is_text(column: ColumnSchema) -> bool:
    return column.type.startswith(_TEXTS) and not column.type.endswith("[]")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(value: Any) -> Any:
    """A cell of a sample: a long text is cut."""
    text = value if isinstance(value, str) else ""
    if isinstance(value, list | dict) and len(str(value)) > _CELL_LENGTH:
        text = str(value)
    return f"{text[:_CELL_LENGTH]}…" if len(text) > _CELL_LENGTH else value


def _near_tables(name: str, names: Names) -> list[str]:
    """The tables whose names are near, the nearest first."""
    by_lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower()[:63], by_lower, n=_NEAR, cutoff=0)
    return [f"{SCHEMA}.{names[by_lower[other]]['written']}" for other in near]
