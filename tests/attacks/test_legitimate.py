"""No legitimate query is refused, and each is answered as PostgreSQL answers it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.attacks import corpus, plain_sql
from tests.attacks.conftest import Outcomes
from tests.attacks.corpus import Text
from tests.attacks.setting import (
    PEOPLE,
    STORE_MANAGER,
    Attacked,
    Servers,
    Target,
    ask_all,
    found,
)
from tests.conftest import PG_VERSION

pytestmark = pytest.mark.thorough

_NUMBERS = ", ".join(map(str, range(12000)))
_KEYS = ", ".join(f"'00000000-0000-0000-0000-{n:012}'" for n in range(2000))
GENERATED = [
    Text("a-very-long-in-list", f"SELECT count(*) FROM retail.products WHERE length(description) IN ({_NUMBERS})"),
    Text("a-very-long-list-of-keys", f"SELECT count(*) FROM retail.orders WHERE order_id NOT IN ({_KEYS})"),
    Text("sixteen-hundred-columns", "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(1600))),
    Text("a-thousand-rows", "SELECT n, md5(n::text) FROM generate_series(1, 1000) AS n"),
    Text("a-thousand-rows-of-no-column", "SELECT FROM generate_series(1, 1000)"),
    Text("a-long-literal", "SELECT length('" + "é" * 90000 + "')"),
    Text("a-long-comment", "SELECT 1 /* " + "DROP " * 15000 + "*/"),
    Text("a-long-expression", "SELECT " + " + ".join(["1"] * 1500)),
    Text("many-unions", " UNION ALL ".join(f"SELECT {n}" for n in range(300))),
    Text("many-joins", "SELECT count(*) FROM retail.stores AS s0 " + " ".join(f"JOIN retail.stores AS s{n} USING (store_id)" for n in range(1, 10))),
    Text("nested-subqueries", "SELECT * FROM " + "(SELECT * FROM " * 60 + "retail.categories" + ") AS x" * 60),
]  # fmt: skip
LEGITIMATE = [
    text
    for text in [*corpus.read("legitimate"), *GENERATED]
    if text.since <= PG_VERSION
]


@pytest.fixture(scope="module")
def plain(target: Target) -> Iterator[psycopg.Connection]:
    with plain_sql.connect(target.conninfo) as conn:
        yield conn


def same(given: Any, expected: Any) -> bool:
    """Equal in value and kind; a sum of floats may be added up in another order."""
    if isinstance(given, float) and isinstance(expected, float):
        return math.isclose(given, expected, rel_tol=1e-12)
    if isinstance(given, list) and isinstance(expected, list):
        return len(given) == len(expected) and all(map(same, given, expected))
    return type(given) is type(expected) and bool(given == expected)


def by_text(rows: list[list[Any]]) -> list[list[Any]]:
    """Without an ORDER BY rows come in any order."""
    return sorted(rows, key=repr)


def test_there_are_many_legitimate_queries_and_each_has_a_name_of_its_own() -> None:
    assert len(LEGITIMATE) >= 250
    assert len({(text.group, text.name) for text in LEGITIMATE}) == len(LEGITIMATE)


@pytest.mark.parametrize("query", LEGITIMATE, ids=str)
def test_a_legitimate_query_is_answered_as_postgresql_answers_it(
    attacked: Attacked,
    servers: Servers,
    plain: psycopg.Connection,
    outcomes: Outcomes,
    query: Text,
) -> None:
    answers = ask_all(servers, dict.fromkeys(PEOPLE, query.sql))
    for name, answer in answers.items():
        suite = f"legitimate queries as {name}"
        if answer.is_error:
            outcomes[suite, "refused"] += 1
            pytest.fail(f"{name}: {answer.text[:500]}")
        given = answer.structured
        assert given["truncated"] is None
        names, rows = plain_sql.ask(
            plain,
            query.sql,
            attacked.people[name].user_id,
            attacked.values[name]["own_seal"],
            one_store=name == STORE_MANAGER,
        )
        assert [column["name"] for column in given["columns"]] == names
        assert given["row_count"] == len(given["rows"])
        if query.varies:
            assert [list(map(type, row)) for row in given["rows"]] == [
                list(map(type, row)) for row in rows
            ]
        elif not same(given["rows"], rows) and not same(
            by_text(given["rows"]), by_text(rows)
        ):
            outcomes[suite, "differing"] += 1
            assert given["rows"] == rows
        assert attacked.oracles[name].find(found(answer), query.sql) == []
        outcomes[suite, "the same"] += 1
