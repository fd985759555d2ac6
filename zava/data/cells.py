"""PostgreSQL's text for a value becomes a JSON value, without loss.

Numbers are JSON numbers where a double holds them exactly, else text; so are
NaN and the infinities. A column is all numbers or all text. Dates and times are
ISO 8601. Arrays are lists, json is itself, and every type not named here is
PostgreSQL's own text.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg._typeinfo import TypesRegistry
from psycopg.adapt import AdaptersMap, Loader, Transformer
from psycopg.types.bool import BoolLoader
from psycopg.types.numeric import IntLoader
from psycopg.types.string import TextLoader
from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.abc import Buffer
    from psycopg.pq.abc import PGresult

_EXACT_INTEGER = 2**53
_INTEGER_DIGITS = len(str(-_EXACT_INTEGER))
# A decimal of so many significant digits survives the way through a double.
_EXACT_DIGITS = 15
# So near to zero doubles are still dense.
_FRACTION_DIGITS = 100
_EVERY_TYPE = 0
# The types whose values may be numbers or text, and their arrays.
_MIXED = ("int8", "oid", "numeric", "float4", "float8")
_NUMBERS = frozenset(psycopg.adapters.types[name].oid for name in _MIXED)
_LISTS = frozenset(psycopg.adapters.types[name].array_oid for name in _MIXED)


def integer(text: str) -> int | str:
    """Return the integer, or its text where a double would round it."""
    if len(text) > _INTEGER_DIGITS:
        return text
    number = int(text)
    return number if abs(number) <= _EXACT_INTEGER else text


def decimal(text: str) -> int | float | str:
    """Return the number a numeric stands for, or its text where it has no exact one."""
    if text.lstrip("-").isdigit():
        return integer(text)
    digits = text.replace("-", "").replace(".", "")
    # avg() and a quotient come with zeros at the end that say nothing.
    told = digits.strip("0") if "." in text else digits.lstrip("0")
    if not digits.isdigit() or len(told) > _EXACT_DIGITS:
        return text
    if len(digits) > _FRACTION_DIGITS:
        return text
    return float(text)


def json_decimal(text: str) -> int | float | str:
    """Return `decimal(text)`, also for a number with an exponent."""
    if "e" not in text.lower():
        return decimal(text)
    number = float(text)
    exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    return number if exact else text


_DECODER = json.JSONDecoder(
    parse_int=integer, parse_float=json_decimal, parse_constant=str
)


def floating(text: str) -> float | str:
    """Return the float, or the text of NaN and the infinities, which JSON lacks."""
    return text if text.strip("-").isalpha() else float(text)


def timestamp(text: str) -> str:
    """Return ISO 8601: a `T` in the middle and minutes in the offset."""
    iso = text.replace(" ", "T", 1)
    return iso + ":00" if iso[-3:-2] in ("+", "-") and ":" in iso else iso


def document(text: str) -> Any:
    """Return the json value, or its text where JSON for a model cannot hold it."""
    try:
        value = _DECODER.decode(text)
        # A lone surrogate, legal in json, has no UTF-8 and would end the transport;
        # so would a depth that the serializer refuses, envelope and all.
        to_json([[[[[[[[value]]]]]]]])
    except (ValueError, RecursionError):
        return text
    return value


def _loader(convert: Callable[[str], Any]) -> type[Loader]:
    class JsonLoader(Loader):
        def load(self, data: Buffer) -> Any:
            return convert(str(data, "utf-8"))

    return JsonLoader


class _Context(NamedTuple):
    """What a Transformer needs; there is no connection behind it."""

    adapters: AdaptersMap
    connection: None = None


def _text_context() -> _Context:
    """What the columns are read with in which a number would be text."""
    context = _Context(AdaptersMap(types=psycopg.adapters.types))
    context.adapters.register_loader(_EVERY_TYPE, TextLoader)
    for name in _MIXED:
        psycopg.adapters.types[name].register(context)
        context.adapters.register_loader(name, TextLoader)
    return context


def _json_context() -> _Context:
    context = _Context(AdaptersMap(types=psycopg.adapters.types))
    adapters = context.adapters
    adapters.register_loader(_EVERY_TYPE, TextLoader)
    for known in psycopg.adapters.types:
        known.register(context)
    for name in ("int2", "int4"):
        adapters.register_loader(name, IntLoader)
    adapters.register_loader("bool", BoolLoader)
    for names, convert in (
        (("int8", "oid"), integer),
        (("numeric",), decimal),
        (("float4", "float8"), floating),
        (("timestamp", "timestamptz"), timestamp),
        (("json", "jsonb"), document),
    ):
        for name in names:
            adapters.register_loader(name, _loader(convert))
    return context


def _plain_context() -> _Context:
    """What reads every value as PostgreSQL's own text."""
    context = _Context(AdaptersMap(types=TypesRegistry()))
    context.adapters.register_loader(_EVERY_TYPE, TextLoader)
    return context


_JSON = _json_context()
_TEXT = _text_context()
_PLAIN = _plain_context()


def know_array(array: int, element: int, base: int) -> None:
    """Load arrays of a type that the database has made itself, as lists.

    Args:
        array: OID of the array's type.
        element: OID of its elements'.
        base: The same, or what a domain is made of.
    """
    adapters = _JSON.adapters
    loader = adapters.get_loader(base, psycopg.pq.Format.TEXT)
    if loader is not None:
        adapters.register_loader(element, loader)
    psycopg.types.TypeInfo(str(element), element, array).register(_JSON)


def load_texts(result: PGresult) -> list[tuple[str | None, ...]]:
    """Return every row of a text-format result in PostgreSQL's own text."""
    transformer = Transformer(_PLAIN)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


class Piece(NamedTuple):
    """Rows `start` to `stop`, not included, of a result."""

    result: PGresult
    start: int
    stop: int


def load_rows(result: PGresult, stop: int) -> list[tuple[Any, ...]]:
    """Return the first `stop` rows of a text-format result, of JSON values."""
    return load_pieces([Piece(result, 0, stop)])


def load_pieces(pieces: Sequence[Piece]) -> list[tuple[Any, ...]]:
    """Return the rows of several results of one query, of JSON values."""
    if not pieces:
        return []
    transformer = Transformer(_JSON)
    rows: list[tuple[Any, ...]] = []
    for result, start, stop in pieces:
        transformer.set_pgresult(result)
        rows += transformer.load_rows(start, stop, tuple)
    first = pieces[0].result
    mixed = [
        number
        for number in range(first.nfields)
        if (
            first.ftype(number) in _NUMBERS
            and any(isinstance(row[number], str) for row in rows)
        )
        or (
            first.ftype(number) in _LISTS
            and any(_has_text(row[number]) for row in rows)
        )
    ]
    if not mixed:
        return rows
    as_text = Transformer(_TEXT)
    columns = list(map(list, zip(*rows, strict=True)))
    for number in mixed:
        texts = (
            result.get_value(row, number)
            for result, start, stop in pieces
            for row in range(start, stop)
        )
        load = as_text.get_loader(first.ftype(number), psycopg.pq.Format.TEXT).load
        columns[number] = [None if text is None else load(text) for text in texts]
    return list(zip(*columns, strict=True))


def _has_text(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_text, value))
    return isinstance(value, str)
