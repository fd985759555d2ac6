"""No condition of a caller's runs before a policy, where its failure would tell of hidden rows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import StartPooler
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider
from zava.errors import MCPError

pytestmark = pytest.mark.thorough

HIDDEN, NOBODY_S = "Zava Retail Redmond", "Zava Retail Nowhere"
FAILS = "(SELECT 1 / ((random() * 0)::integer)) = 1"
# Each fails on a row of that name, if it is tried there.
CONDITIONS = {
    "case": f"CASE WHEN s.name = '{{name}}' THEN {FAILS} ELSE true END",
    "case-of-a-boolean": "CASE WHEN s.name = '{name}' THEN (SELECT 1 / ((random() * 0)::integer) = 1) ELSE true END",
    "case-without-a-volatile-function": "CASE WHEN s.name = '{name}' THEN (SELECT 1 / (SELECT 0) = 1) ELSE true END",
    "array": f"CASE WHEN s.name = ANY (ARRAY['{{name}}']) THEN {FAILS} ELSE true END",
    "row": f"CASE WHEN (s.name, s.name) >= ('{{name}}', '{{name}}') AND (s.name, s.name) <= ('{{name}}', '{{name}}') THEN {FAILS} ELSE true END",
    "null": f"s.name >= '{{name}}' AND s.name <= '{{name}}' AND CASE WHEN s.store_id IS NOT NULL THEN {FAILS} ELSE true END",
    "starts-with": f"CASE WHEN starts_with(s.name, '{{name}}') THEN {FAILS} ELSE true END",
    "greatest": f"CASE WHEN greatest(s.name, '{{name}}') = '{{name}}' AND least(s.name, '{{name}}') = '{{name}}' THEN {FAILS} ELSE true END",
    "collations": "s.name >= '{name}' AND s.name <= '{name}' AND s.location <> (SELECT p || q FROM"
    ' (SELECT (\'a\' COLLATE "POSIX") AS p, (\'b\' COLLATE "C") AS q) AS k)',
}  # fmt: skip
FORMS = {
    "plain": "SELECT count(*) FROM retail.stores AS s WHERE {}",
    "sampled": "SELECT count(*) FROM retail.stores AS s TABLESAMPLE SYSTEM (100) WHERE {}",
    "lateral": "SELECT count(*) FROM (VALUES (1)) AS v, LATERAL (SELECT FROM retail.stores AS s WHERE {}) AS l",
    "joined": "SELECT count(*) FROM retail.inventory AS i JOIN retail.stores AS s USING (store_id) WHERE {}",
}


@pytest.fixture(scope="module", params=["direct", "pooled"])
def provider(
    request: pytest.FixtureRequest,
    cluster: EmbeddedServer,
    seeded: str,
    start_pooler: StartPooler,
) -> Iterator[PostgreSQLProvider]:
    conninfo = cluster.conninfo(dbname=seeded, user="zava_server")
    if request.param == "pooled":
        conninfo = start_pooler(conninfo)
    made = PostgreSQLProvider({"conninfo": conninfo, "min_size": 1})
    made.open()
    yield made
    made.close()


def outcome(provider: PostgreSQLProvider, query: str) -> str:
    try:
        result = provider.fetch(query, provider.resolve_identity(SEATTLE), 10)
    except MCPError as exc:
        return exc.error_code
    return str(result.rows)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_tried_on_no_hidden_row(
    provider: PostgreSQLProvider, condition: str, form: str
) -> None:
    query = FORMS[form].format(CONDITIONS[condition])
    with_it, without = (
        outcome(provider, query.replace("{name}", name)) for name in (HIDDEN, NOBODY_S)
    )
    assert with_it == without


def test_postgresql_by_itself_would_try_it(
    cluster: EmbeddedServer, seeded: str, provider: PostgreSQLProvider
) -> None:
    query = FORMS["plain"].format(CONDITIONS["case-of-a-boolean"])
    seattle = provider.resolve_identity(SEATTLE)
    conninfo = cluster.conninfo(dbname=seeded, user="zava_server")
    with (
        psycopg.connect(conninfo) as conn,
        pytest.raises(psycopg.errors.DivisionByZero),
    ):
        conn.execute(
            "SELECT retail.set_identity(%s, %s)", (seattle.user_id, seattle.seal)
        )
        conn.execute("SET LOCAL ROLE store_managers")
        conn.execute(query.replace("{name}", HIDDEN).encode())
