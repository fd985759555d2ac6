"""Whoever loses a right reads no answer of before, from Redis or from memory.

Each process has a provider, a cache and an executor of its own, and shares Redis with
the others. Answers are kept for an hour here, twelve times as long as an identity.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.fakes import FakeClock
from tests.people import REDMOND, SEATTLE, regional_manager
from tests.redis_server import RedisServer
from tests.replicas import Replicas, wait_until
from tests.shared_caches import WITH_REDIS, connected, until
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.data.provider import PostgreSQLProvider
from zava.errors import AuthorizationError, MCPError
from zava.infra.cache import QueryCache
from zava.infra.sharing import SharedOptions
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryAnswer, QueryExecutor

pytestmark = WITH_REDIS

STORES = "SELECT name FROM retail.stores ORDER BY name"
NAMES = "SELECT count(first_name) FROM retail.customers"
HOUR = 3600.0
IDENTITY_SECONDS = 300.0
SUCCESSOR = "0c5d1d6e-6f1c-4c53-8f2f-6f4f0f8f2a11"
PUGET_SOUND = regional_manager("Puget Sound Region")
EASTERN = regional_manager("Eastern Washington Region")
HEAD_OFFICE = regional_manager("Head Office")
REFUSED = "refused"

Change = Callable[[str], None]


@dataclass
class Process:
    """What one zava process of a person asks with."""

    user_id: str
    provider: PostgreSQLProvider
    executor: QueryExecutor

    def ask(self, query: str = STORES, *, fresh: bool = False) -> QueryAnswer:
        """Return the answer to a query."""
        return self.executor.execute(query, self.user_id, fresh=fresh)

    def sees(self, query: str = STORES, *, fresh: bool = False) -> Any:
        """Return the first column; REFUSED where the person is not served."""
        try:
            answer = self.ask(query, fresh=fresh)
        except MCPError:
            return REFUSED
        return [row[0] for row in answer.result.rows]


@dataclass
class Chain:
    """A database of the test's own, and the processes that it serves.

    Attributes:
        conninfo: Says how libpq reaches it, as which user.
        change: Runs SQL on it as a superuser.
        clock: By which processes hold an identity to be known.
        login: Of processes.
    """

    redis: RedisServer
    stack: ExitStack
    conninfo: Callable[[str], str]
    change: Change
    clock: FakeClock
    scope: str
    login: str = "zava_server"

    def process(
        self,
        user_id: str,
        *,
        ttl: float = HOUR,
        conninfo: str | None = None,
        max_staleness: float | None = None,
    ) -> Process:
        """Start a process of a person."""
        provider = PostgreSQLProvider(
            {
                "conninfo": conninfo or self.conninfo(self.login),
                "min_size": 1,
                "max_size": 2,
                "max_staleness": max_staleness,
            }
        )
        self.stack.callback(provider.close)
        provider.open()
        provider.identities._clock = self.clock
        options = SharedOptions(scope=self.scope, timeout=5.0)
        cache = QueryCache(
            self.redis.url, shared=options, ttl=ttl, max_age=max_staleness
        )
        self.stack.callback(cache.close)
        until(lambda: connected(cache))
        executor = QueryExecutor(
            provider,
            cache,
            SchemaCatalog(provider, cache),
            max_rows=100,
            max_result_bytes=100_000,
            max_query_length=1000,
        )
        return Process(user_id, provider, executor)

    def running(self, user_id: str, query: str = STORES) -> list[Process]:
        """Return two processes of a person that have shared an answer."""
        first, second = self.process(user_id), self.process(user_id)
        made, shared = first.ask(query), second.ask(query)
        assert (made.cached, shared.cached) == (False, True)
        assert made.result.rows == shared.result.rows
        return [first, second]


@pytest.fixture
def chain(
    cluster: EmbeddedServer, database: str, server: RedisServer
) -> Iterator[Chain]:
    def conninfo(user: str) -> str:
        return cluster.conninfo(dbname=database, user=user)

    with ExitStack() as stack:
        conn = stack.enter_context(
            psycopg.connect(conninfo("postgres"), autocommit=True)
        )

        def change(sql: str) -> None:
            conn.execute(sql.encode())

        yield Chain(server, stack, conninfo, change, FakeClock(), database)


def store(name: str) -> str:
    return f"(SELECT store_id FROM retail.stores WHERE name = 'Zava Retail {name}')"


def take(region: str, name: str) -> str:
    return (
        f"DELETE FROM retail.regional_manager_stores WHERE user_id = '{region}'"
        f" AND store_id = {store(name)}; "
    )


def give(region: str, name: str) -> str:
    return (
        "INSERT INTO retail.regional_manager_stores (user_id, store_id)"
        f" SELECT '{region}', {store(name)}; "
    )


def manages(user_id: str, name: str) -> str:
    return (
        f"UPDATE retail.stores SET manager_id = '{user_id}'"
        f" WHERE name = 'Zava Retail {name}'; "
    )


def stores_after(before: list[str], *gone: str) -> list[str]:
    return [each for each in before if each.removeprefix("Zava Retail ") not in gone]


@pytest.mark.parametrize(
    ("user_id", "change", "after"),
    [
        pytest.param(
            SEATTLE,
            manages(SUCCESSOR, "Seattle"),
            REFUSED,
            id="the store has another manager",
        ),
        pytest.param(
            SEATTLE,
            manages(SUCCESSOR, "Seattle")
            + manages(SEATTLE, "Redmond")
            + manages(REDMOND, "Seattle"),
            ["Zava Retail Redmond"],
            id="two managers change places",
        ),
        pytest.param(
            SEATTLE,
            "UPDATE retail.stores SET manager_id = NULL WHERE name ~ 'Seattle'",
            REFUSED,
            id="the store has no manager",
        ),
        pytest.param(
            PUGET_SOUND,
            take(PUGET_SOUND, "Seattle"),
            ("Seattle",),
            id="a store leaves the region",
        ),
        pytest.param(
            PUGET_SOUND,
            take(PUGET_SOUND, "Tacoma") + give(EASTERN, "Tacoma"),
            ("Tacoma",),
            id="a store moves to another region",
        ),
        pytest.param(
            HEAD_OFFICE,
            take(HEAD_OFFICE, "Online"),
            ("Online",),
            id="head office loses a store",
        ),
        pytest.param(
            PUGET_SOUND,
            f"DELETE FROM retail.regional_managers WHERE user_id = '{PUGET_SOUND}'",
            REFUSED,
            id="the manager is deleted",
        ),
    ],
)
def test_who_lost_stores_reads_no_answer_of_before(
    chain: Chain, user_id: str, change: str, after: Any
) -> None:
    running = chain.running(user_id)
    before = running[0].sees()
    if isinstance(after, tuple):
        after = stores_after(before, *after)
        assert after != before
    chain.change(change)

    assert chain.process(user_id).sees() == after
    # A fresh answer is that of the person as they are now, and so are all that follow.
    first, second = running
    assert first.sees(fresh=True) == after
    assert first.sees() == after
    # Without one, row level security still asks the database about every new question.
    other = f"{STORES} LIMIT 100"
    assert second.sees(other) in (after, [])
    chain.clock.advance(IDENTITY_SECONDS)
    assert second.sees() == second.sees(other) == after


@pytest.mark.parametrize("gains", ["a successor", "the other of two", "another region"])
def test_who_was_given_stores_reads_no_answer_of_who_had_them(
    chain: Chain, gains: str
) -> None:
    chain.change("UPDATE retail.stores SET location = name")
    if gains == "another region":
        old, new = PUGET_SOUND, EASTERN
        change = take(old, "Tacoma") + give(new, "Tacoma")
    elif gains == "a successor":
        old, new, change = SEATTLE, SUCCESSOR, manages(SUCCESSOR, "Seattle")
    else:
        old, new = SEATTLE, REDMOND
        change = (
            manages(SUCCESSOR, "Seattle")
            + manages(SEATTLE, "Redmond")
            + manages(REDMOND, "Seattle")
        )
    chain.running(old)
    chain.change(change)

    answer = chain.process(new).ask()
    assert not answer.cached
    wanted = "Tacoma" if gains == "another region" else "Seattle"
    assert [f"Zava Retail {wanted}"] in [list(row) for row in answer.result.rows]


@pytest.fixture
def bound(chain: Chain) -> Iterator[Chain]:
    """The same, served through a login of Seattle's manager alone."""
    logins = BoundLogins(DatabaseLoader(chain.conninfo("postgres")))
    chain.login = f"login_{uuid.uuid4().hex}"
    logins.add(chain.login, [SEATTLE], "a password")
    yield chain
    chain.stack.close()
    logins.remove(chain.login)


def test_a_login_that_was_unbound_reads_no_answer_of_before(bound: Chain) -> None:
    running = bound.running(SEATTLE)
    bound.change("DELETE FROM retail.login_identities")

    with pytest.raises(AuthorizationError):
        bound.process(SEATTLE).ask()
    first, second = running
    assert first.sees(fresh=True) == REFUSED
    # After one refusal the process knows the person no more, nor what it has kept.
    assert first.sees() == REFUSED
    bound.clock.advance(IDENTITY_SECONDS)
    assert second.sees() == REFUSED


def test_a_binding_that_is_made_again_reads_no_answer_of_before(bound: Chain) -> None:
    running = bound.running(SEATTLE)
    bound.change(
        "WITH gone AS (DELETE FROM retail.login_identities RETURNING login, user_id)"
        " INSERT INTO retail.login_identities (login, user_id)"
        " SELECT login || '_', user_id FROM gone;"
        " UPDATE retail.login_identities SET login = rtrim(login, '_')"
    )
    assert not bound.process(SEATTLE).ask().cached
    bound.clock.advance(IDENTITY_SECONDS)
    for process in running:
        process.ask()
        assert process.provider.known_identity(SEATTLE) is not None
    # Both have the new seal, and share again what was made with it.
    assert bound.process(SEATTLE).ask().cached


@pytest.mark.parametrize("by", ["row", "chain"])
def test_a_right_to_personal_data_that_ended_reads_no_answer_of_before(
    chain: Chain, by: str
) -> None:
    chain.change(
        "UPDATE retail.chain SET managers_read_personal_data = true"
        if by == "chain"
        else f"INSERT INTO retail.personal_data_rights VALUES ('{SEATTLE}', true)"
    )
    running = chain.running(SEATTLE, NAMES)
    chain.change(
        "UPDATE retail.chain SET managers_read_personal_data = false"
        if by == "chain"
        else "UPDATE retail.personal_data_rights SET may_read = false"
    )
    assert chain.process(SEATTLE).sees(NAMES) == REFUSED
    first, second = running
    assert first.sees(NAMES, fresh=True) == REFUSED
    assert first.sees(NAMES) == REFUSED
    chain.clock.advance(IDENTITY_SECONDS)
    assert second.sees(NAMES) == REFUSED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            "UPDATE retail.identity_key SET key = sha256(key) || key",
            id="the key of the seals is another",
        ),
        pytest.param(
            "REVOKE SELECT (location) ON retail.stores FROM store_managers",
            id="a column is taken from the group",
        ),
        pytest.param(
            "ALTER POLICY store_manager_stores ON retail.stores USING (false)",
            id="a policy is another",
        ),
        pytest.param(
            "ALTER TABLE retail.stores ADD COLUMN floor text", id="a column is added"
        ),
        pytest.param(
            "CREATE OR REPLACE FUNCTION retail.get_current_user_store() RETURNS uuid"
            " LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER"
            " SET search_path = pg_catalog, pg_temp AS 'SELECT NULL::uuid'",
            id="a function is another",
        ),
        pytest.param("schema.sql", id="schema.sql is loaded anew"),
    ],
)
def test_no_answer_of_before_is_read_when_the_key_or_the_schema_is_another(
    chain: Chain, change: str
) -> None:
    if change == "schema.sql":
        # As if an earlier version had shown every store.
        chain.change("ALTER POLICY store_manager_stores ON retail.stores USING (true)")
    running = chain.running(SEATTLE)
    if change == "schema.sql":
        DatabaseLoader(chain.conninfo("postgres")).load_schema()
    else:
        chain.change(change)

    new = chain.process(SEATTLE)
    assert not new.ask().cached
    chain.clock.advance(IDENTITY_SECONDS)
    for process in running:
        assert process.sees() == new.sees()


def test_an_answer_of_before_ends_with_its_time_in_a_running_process(
    chain: Chain,
) -> None:
    process = chain.process(SEATTLE, ttl=0.001)
    assert process.sees() == ["Zava Retail Seattle"]
    chain.change(manages(SUCCESSOR, "Seattle"))
    until(lambda: process.sees() == REFUSED)


def test_on_a_standby_that_lags_an_answer_of_before_ends_with_its_staleness(
    server: RedisServer,
) -> None:
    with Replicas(1) as replicas, ExitStack() as stack:
        primary, (standby,) = replicas.primary, replicas.standbys
        chain = Chain(
            server, stack, primary.conninfo, primary.run, FakeClock(), "replicas"
        )
        first = chain.process(SEATTLE, max_staleness=1.0)
        assert first.sees() == ["Zava Retail Seattle"]
        replicas.catch_up()
        with standby.connection() as conn:
            conn.execute("SELECT pg_wal_replay_pause()")
            wait_until(conn, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
            chain.change(manages(SUCCESSOR, "Seattle"))
            here = standby.conninfo("zava_server")
            late = chain.process(SEATTLE, conninfo=here, max_staleness=1.0)
            # It knows nothing of the change, and soon knows that it is behind.
            until(lambda: late.sees() == REFUSED)
            assert late.sees(fresh=True) == REFUSED
            conn.execute("SELECT pg_wal_replay_resume()")
        replicas.catch_up()
        new = chain.process(SEATTLE, conninfo=here, max_staleness=HOUR)
        with pytest.raises(AuthorizationError):
            new.ask()
