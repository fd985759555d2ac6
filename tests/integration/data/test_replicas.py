"""A primary and its standbys: how old an answer is, and that none goes back in time.

The database's own clock is the measure: each row of `moments` is written with the
time at which its transaction had been committed on the primary.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.conftest import StartPooler
from tests.e2e.flaky_proxy import FlakyProxy
from tests.fakes import FakeClock
from tests.loglines import captured_log
from tests.patience import PATIENCE
from tests.people import SEATTLE, STORE_MANAGERS
from tests.replicas import (
    Replicas,
    Server,
    change,
    wait_for_receipt,
    wait_until,
)
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.admin.totals import refresh_totals
from zava.data.pipeline import exchange
from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.errors import (
    AuthorizationError,
    ConfigurationError,
    QueryError,
    StaleAnswerError,
    StandbyConflictError,
    UnavailableError,
)
from zava.infra.cache import QueryCache
from zava.models import ResultSet
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor

pytestmark = pytest.mark.thorough

Serve = Callable[..., PostgreSQLProvider]

COUNT = "SELECT count(*) FROM retail.orders"
LAST = "SELECT max(updated_at) FROM retail.stores"
# What is slow because the machine is, is waited for.
LIMITS = {"timeout": PATIENCE, "statement_timeout": PATIENCE}
# Takes about a second.
LONG_COUNT = "SELECT count(*) FROM retail.stores AS s, generate_series(1, 6000000) AS n"
NEW_KEY = "UPDATE retail.identity_key SET key = sha256(key) || key"


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    with Replicas(2) as made:
        yield made


@pytest.fixture(scope="module")
def pair() -> Iterator[Replicas]:
    """A primary and a standby, for tests after which both are there again."""
    with Replicas(1) as made:
        yield made


@pytest.fixture
def standby(replicas: Replicas) -> Iterator[Server]:
    """A standby that has replayed everything; whatever slows it ends with the test."""
    (standby, *_) = replicas.standbys
    replicas.catch_up()
    upstream = str(standby.ask("SHOW primary_conninfo"))
    yield standby
    standby.alter(recovery_min_apply_delay="0", primary_conninfo=upstream)
    standby.resume()
    replicas.catch_up()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Opens providers, by connection string and settings."""
    with ExitStack() as stack:

        def open_one(conninfo: str, **settings: Any) -> PostgreSQLProvider:
            provider = PostgreSQLProvider({**LIMITS, "conninfo": conninfo, **settings})
            stack.callback(provider.close)
            provider.open()
            return provider

        yield open_one


def ask(provider: PostgreSQLProvider, query: str = LAST) -> ResultSet:
    return provider.fetch(query, provider.resolve_identity(SEATTLE), 1)


def ask_in_a_young_moment(
    provider: PostgreSQLProvider, replicas: Replicas
) -> ResultSet:
    """Ask a standby until it is young enough: just after it has replayed a commit.

    When it is idle it is older than a second, and on a slow machine soon.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        replicas.catch_up()
        try:
            return ask(provider)
        except StaleAnswerError:
            assert time.monotonic() < deadline


def shown(result: ResultSet) -> datetime:
    return datetime.fromisoformat(result.rows[0][0])


def is_true_of(result: ResultSet, primary: Server) -> bool:
    """Whether a result shows whatever the primary had committed by its `as_of`."""
    last = primary.ask("SELECT max(updated_at) FROM retail.stores")
    return shown(result) == last or result.as_of < last  # type: ignore[operator]


def test_a_primary_s_answer_is_as_of_its_statement(
    replicas: Replicas, serve: Serve
) -> None:
    provider = serve(replicas.primary.conninfo("zava_server"))
    ask(provider)
    before = replicas.primary.ask("SELECT clock_timestamp()")
    as_of = ask(provider).as_of
    after = replicas.primary.ask("SELECT clock_timestamp()")
    assert before <= as_of <= after  # type: ignore[operator]


def test_an_idle_standby_s_answer_grows_no_older(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    committed = change(replicas.primary)
    replicas.catch_up()
    provider = serve(standby.conninfo("zava_server"))
    with standby.connection() as conn:
        wait_until(
            conn,
            "SELECT last_msg_send_time - interval '1 s' > %s FROM pg_stat_wal_receiver",
            committed,
        )
    result = ask(provider)
    assert result.as_of > committed
    assert is_true_of(result, replicas.primary)


def test_a_record_whose_end_is_not_sent_yet_makes_no_answer_older(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    # Nobody waits for it, so only its whole pages are sent.
    replicas.primary.run(
        "SELECT pg_logical_emit_message(false, 'test', repeat('x', 20000))"
    )
    with standby.connection() as conn:
        wait_until(
            conn,
            "SELECT pg_last_wal_replay_lsn() < flushed_lsn FROM pg_stat_wal_receiver",
        )
        now = conn.execute("SELECT clock_timestamp()").fetchone()
        assert now is not None
        wait_until(
            conn,
            "SELECT last_msg_send_time - interval '1 s' > %s FROM pg_stat_wal_receiver",
            *now,
        )
    assert ask(provider).as_of > now[0]


def test_a_paused_standby_s_answer_is_as_old_as_what_it_shows(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    with standby.paused():
        before = ask(provider)
        committed = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        result = ask(provider)
        assert shown(result) == shown(before)
        assert result.as_of < committed
        assert is_true_of(result, replicas.primary)
    replicas.catch_up()
    assert shown(ask(provider)) > shown(before)


def test_a_lagging_standby_s_answer_is_as_old_as_what_it_shows(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    standby.alter(recovery_min_apply_delay="1h")
    with standby.connection() as conn:
        # The replay may take a while to hear of its setting.
        for _ in range(100):
            before = ask(provider)
            committed = change(replicas.primary)
            wait_for_receipt(replicas, standby)
            conn.execute("SELECT pg_sleep(0.05)")
            result = ask(provider)
            if shown(result) == shown(before):
                break
    assert shown(result) == shown(before)
    assert result.as_of < committed
    assert is_true_of(result, replicas.primary)


def test_the_answer_of_a_standby_that_is_cut_off_is_as_old_as_what_it_shows(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    before = ask(provider)
    with standby.cut_off():
        committed = change(replicas.primary)
        result = ask(provider)
        assert shown(result) == shown(before)
        assert result.as_of < committed
        assert is_true_of(result, replicas.primary)


def test_a_standby_that_has_heard_nothing_yet_does_not_take_itself_for_current(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    upstream = replicas.primary.conninfo(dbname="postgres")
    with (
        FlakyProxy(upstream, silent_at=b"IDENTIFY_SYSTEM") as proxy,
        standby.cut_off(),
    ):
        proxy.up()
        committed = change(replicas.primary)
        with standby.connection() as conn:
            # More than the second that an answer of a standby is older than its word.
            wait_until(
                conn, "SELECT clock_timestamp() - interval '1 s' > %s", committed
            )
            standby.alter(primary_conninfo=proxy.conninfo)
            wait_until(conn, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)")
        assert ask(provider).as_of < committed


def test_no_answer_is_younger_than_the_truth_while_the_primary_writes(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    committed: list[tuple[datetime, datetime]] = []
    is_over = threading.Event()

    def write() -> None:
        with replicas.primary.connection() as conn:
            while not is_over.is_set():
                row = conn.execute(
                    "UPDATE retail.stores SET updated_at = clock_timestamp()"
                    " WHERE manager_id = %s RETURNING updated_at",
                    (SEATTLE,),
                ).fetchone()
                known = conn.execute("SELECT clock_timestamp()").fetchone()
                if row and known:
                    committed.append((known[0], row[0]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        answers = [ask(provider) for _ in range(300)]
    finally:
        is_over.set()
        writer.join()
    for answer in answers:
        due = [value for known, value in committed if known <= answer.as_of]
        assert not due or shown(answer) >= due[-1]
    assert [a.as_of for a in answers] == sorted(a.as_of for a in answers)


def test_an_answer_that_is_too_old_is_refused_and_says_how_old(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    with standby.paused():
        change(replicas.primary)
        wait_for_receipt(replicas, standby)
        provider = serve(standby.conninfo("zava_server"), max_staleness=0.001)
        with pytest.raises(StaleAnswerError, match="ZAVA_MAX_STALENESS") as refused:
            ask(provider)
    assert refused.value.error_code == "STALE_ANSWER"
    assert refused.value.details()["age_seconds"] >= 0


def test_where_one_server_is_too_old_another_answers(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    several = replicas.several(
        standby,
        replicas.primary,
        user="zava_server",
        load_balance_hosts="random",
    )
    provider = serve(several, max_staleness=0.5, max_retries=50)
    with standby.paused():
        change(replicas.primary)
        wait_for_receipt(replicas, standby)
        with standby.connection() as conn:
            wait_until(conn, "SELECT now() - pg_last_xact_replay_timestamp() > '0.6 s'")
        for _ in range(10):
            assert is_true_of(ask(provider), replicas.primary)
            assert shown(ask(provider)) == replicas.primary.ask(LAST)


@pytest.mark.once
def test_a_standby_that_is_too_old_is_left_for_the_next_server_of_the_list(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    servers = (standby, replicas.primary)
    several = replicas.several(
        *servers, user="zava_server", target_session_attrs="prefer-standby"
    )
    provider = serve(several, max_staleness=0.5, min_size=4, max_retries=3)
    with standby.paused():
        committed = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        with standby.connection() as conn:
            wait_until(
                conn, "SELECT clock_timestamp() > %s + interval '0.6 s'", committed
            )
        assert shown(ask(provider)) == replicas.primary.ask(LAST)
        provider.ping()
        assert provider.answering_server.startswith("primary ")


@pytest.mark.once
def test_behind_the_one_address_of_a_balancer_a_standby_that_is_behind_is_left_too(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    servers = (standby, replicas.primary)
    with FlakyProxy(*(one.conninfo("zava_server") for one in servers)) as balancer:
        balancer.up()
        limited = serve(balancer.conninfo, max_staleness=0.5, min_size=2)
        unlimited = serve(balancer.conninfo, min_size=1)
        with standby.paused():
            committed = change(replicas.primary)
            newest = replicas.primary.ask(LAST)
            with standby.connection() as conn:
                wait_until(
                    conn, "SELECT clock_timestamp() > %s + interval '0.6 s'", committed
                )
            assert [shown(ask(limited)) for _ in range(10)] == [newest] * 10
            times: list[datetime] = []
            deadline = time.monotonic() + PATIENCE
            # Connections that the pool makes besides have their turns as well.
            while times[-3:] != [newest] * 3:
                assert time.monotonic() < deadline
                times.append(shown(ask(unlimited)))
                assert unlimited.connection_pool is not None
                unlimited.connection_pool.drain()
            assert times == sorted(times)


@pytest.mark.once
def test_a_standby_behind_pgbouncer_says_how_old_it_is_and_is_not_too_old(
    replicas: Replicas, standby: Server, serve: Serve, start_pooler: StartPooler
) -> None:
    pooler = start_pooler(standby.conninfo("zava_server"))
    unlimited, limited = serve(pooler), serve(pooler, max_staleness=0.5)
    for provider in (unlimited, limited):
        answer = ask_in_a_young_moment(provider, replicas)
        assert is_true_of(answer, replicas.primary)
        provider.ping()
        assert provider.answering_server.startswith("standby ")
    with standby.paused():
        before = shown(ask(unlimited))
        committed = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        with standby.connection() as conn:
            wait_until(
                conn, "SELECT clock_timestamp() > %s + interval '0.6 s'", committed
            )
        old = ask(unlimited)
        assert shown(old) == before
        assert old.as_of is not None
        assert old.as_of < committed
        with pytest.raises(StaleAnswerError, match="ZAVA_MAX_STALENESS"):
            ask(limited)
    for provider in (unlimited, limited):
        answer = ask_in_a_young_moment(provider, replicas)
        assert shown(answer) == replicas.primary.ask(LAST)


def test_one_person_s_calls_never_go_back_in_time(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    _, other = replicas.standbys
    several = replicas.several(
        standby, other, user="zava_server", load_balance_hosts="random"
    )
    provider = serve(several, min_size=4)
    times = []
    for _ in range(5):
        change(replicas.primary)
        with standby.paused():
            times += [shown(ask(provider)) for _ in range(4)]
    assert times == sorted(times)


def test_a_standby_that_stays_behind_an_earlier_answer_says_so(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    _, other = replicas.standbys
    several = replicas.several(other, standby, user="zava_server")
    # One connection: no other is still on its way when the pool is led elsewhere.
    provider = serve(several, retry_deadline=0.1, min_size=1, max_size=1)
    with standby.paused():
        change(replicas.primary)
        written = replicas.written()
        with other.connection() as conn:
            wait_until(conn, "SELECT pg_last_wal_replay_lsn() >= %s", written)
        ask(provider)
        pool = provider.connection_pool
        assert pool is not None
        pool.conninfo = standby.conninfo("zava_server")
        pool.drain()
        with pytest.raises(StaleAnswerError, match="earlier answer"):
            ask(provider)
    replicas.catch_up()
    assert shown(ask(provider)) == replicas.primary.ask(LAST)


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("prefer-standby", "standby"),
        ("read-only", "standby"),
        ("any", "primary"),
        ("primary", "primary"),
    ],
)
def test_the_connection_string_says_which_server_answers(
    replicas: Replicas, standby: Server, serve: Serve, wanted: str, kind: str
) -> None:
    several = replicas.several(
        replicas.primary, standby, user="zava_server", target_session_attrs=wanted
    )
    provider = serve(several)
    ask(provider)
    assert provider.ping() == ""
    assert provider.answering_server.startswith(f"{kind} ")
    checks = provider.check_posture(provider.resolve_identity(SEATTLE))
    (detail,) = (check.detail for check in checks if check.name == "connection")
    assert f"; {kind} " in detail


def test_connections_to_several_hosts_live_five_minutes_and_others_an_hour(
    replicas: Replicas, serve: Serve
) -> None:
    pools = [
        serve(conninfo).connection_pool
        for conninfo in (
            replicas.several(*replicas.standbys, user="zava_server"),
            replicas.primary.conninfo("zava_server"),
        )
    ]
    assert [pool and pool.max_lifetime for pool in pools] == [300, 3600]


def test_a_standby_says_how_far_it_is_behind(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    with standby.paused():
        change(replicas.primary)
        wait_for_receipt(replicas, standby)
        provider.ping()
    assert re.search(
        r"^standby /.+ port 5432, [\d.,]+ m?s behind the primary, and has not replayed",
        provider.answering_server,
    )


def test_what_an_administrator_changes_has_to_go_to_the_primary(
    standby: Server,
) -> None:
    loader = DatabaseLoader(standby.conninfo())
    for command in (
        loader.load_schema,
        lambda: loader.load_seed(0.01, None, lambda *_: None),
        lambda: loader.create_database("another"),
        lambda: refresh_totals(loader, lambda *_: None),
        lambda: BoundLogins(loader).add("somebody", [SEATTLE], None),
    ):
        with pytest.raises(ConfigurationError, match=r"standby.*primary"):
            command()
    assert loader.list_users()


def test_a_query_that_a_standby_cancels_is_tried_again_and_then_told_as_such(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"), max_retries=2)
    seattle = provider.resolve_identity(SEATTLE)
    long = "SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS n"
    with captured_log() as lines, ThreadPoolExecutor(1) as aside:
        answer = aside.submit(provider.fetch, long, seattle, 1)
        with replicas.primary.connection() as conn:
            while not answer.done():
                conn.execute("UPDATE retail.stores SET updated_at = clock_timestamp()")
                conn.execute("VACUUM retail.stores")
                conn.execute("SELECT pg_sleep(0.05)")
        with pytest.raises(StandbyConflictError, match="hot_standby_feedback"):
            answer.result()
    # A busy standby ends the connection with the query.
    assert "retrying (1/2)" in lines.messages[0]
    replicas.catch_up()


@pytest.mark.once
def test_connections_return_to_the_preferred_server_when_their_time_is_up(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    several = replicas.several(
        replicas.primary,
        standby,
        user="zava_server",
        target_session_attrs="prefer-standby",
    )
    standby.stop()
    try:
        provider = serve(several, min_size=2, max_retries=1)
        ask(provider)
        pool = provider.connection_pool
        assert pool is not None
        pool.max_lifetime = 0
        pool.drain()
        provider.ping()
        assert provider.answering_server.startswith("primary ")
    finally:
        standby.start()
    replicas.catch_up()
    for _ in range(2 * pool.max_size):  # each connection serves one more call
        ask(provider)
        provider.ping()
        if provider.answering_server.startswith("standby "):
            break
    assert provider.answering_server.startswith("standby ")


@pytest.mark.once
def test_no_call_fails_because_connections_are_replaced(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    several = replicas.several(standby, replicas.primary, user="zava_server")
    provider = serve(several, max_retries=1, max_size=4)
    last = shown(ask(provider))
    pool = provider.connection_pool
    assert pool is not None
    pool.max_lifetime = 0
    pool.drain()
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: ask(provider), range(100)))
    assert {shown(answer) for answer in answers} == {last}
    assert pool.get_stats()["connections_num"] > 50


def fail_over(group: Replicas) -> Server:
    """Kill the primary of a pair and promote the standby; return who is out."""
    old, (standby,) = group.primary, group.standbys
    group.catch_up()
    # Backends whose postmaster alone is killed come to the end of their queries.
    old.kill(signal.SIGQUIT)
    group.promote(standby)
    return old


def test_after_a_failover_the_promoted_standby_answers(
    pair: Replicas, serve: Serve
) -> None:
    (standby,) = pair.standbys
    provider = serve(pair.several(pair.primary, standby, user="zava_server"))
    committed = change(pair.primary)
    pair.catch_up()
    before = ask(provider)
    old = pair.primary
    old.stop()
    pair.promote(standby)
    after = ask(provider)
    assert shown(after) == shown(before)
    assert committed < before.as_of < after.as_of
    provider.ping()
    assert provider.answering_server.startswith("primary ")
    change(standby)
    assert shown(ask(provider)) == standby.ask(LAST)
    pair.rejoin(old)


def test_a_primary_that_comes_back_as_a_standby_serves_as_one(
    pair: Replicas, serve: Serve
) -> None:
    (standby,) = pair.standbys
    several = pair.several(
        pair.primary,
        standby,
        user="zava_server",
        target_session_attrs="prefer-standby",
    )
    provider = serve(several)
    change(pair.primary)
    answers = [ask(provider)]
    old = fail_over(pair)
    committed = change(pair.primary)
    answers.append(ask(provider))
    assert is_true_of(answers[-1], pair.primary)
    pair.rejoin(old)
    answers.append(ask(provider))
    pool = provider.connection_pool
    assert pool is not None
    pool.drain()  # as after five minutes
    answers.append(ask(provider))
    provider.ping()
    assert provider.answering_server.startswith("standby ")
    change(pair.primary)
    pair.catch_up()
    answers.append(ask(provider))
    assert shown(answers[-1]) == pair.primary.ask(LAST) > committed  # type: ignore[operator]
    for times in ([shown(a) for a in answers], [a.as_of for a in answers]):
        assert times == sorted(times)


@pytest.mark.once
def test_a_standby_that_is_promoted_while_it_says_who_somebody_is_says_it(
    replicas: Replicas, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"begin_identity": ["SELECT DISTINCT 1 FOR UPDATE"]}  # not supported

    def of_a_standby_at_first(name: str) -> str:
        return texts[name].pop() if texts.get(name) else statement(name)

    provider = serve(replicas.primary.conninfo("zava_server"))
    monkeypatch.setattr("zava.data.identity.statement", of_a_standby_at_first)
    assert provider.resolve_identity(SEATTLE).seal
    assert texts == {"begin_identity": []}


def test_calls_in_flight_when_the_primary_dies_are_repeated_or_fail_by_name(
    pair: Replicas, serve: Serve
) -> None:
    (standby,) = pair.standbys
    several = pair.several(pair.primary, standby, user="zava_server")
    # Its time begins with the call, and the primary dies only when all are at work.
    patient = serve(several, retry_deadline=PATIENCE)
    once = serve(pair.primary.conninfo("zava_server"), max_retries=1)
    for one in (patient, once):
        ask(one)
    pair.catch_up()
    with ThreadPoolExecutor(8) as callers:
        repeated = [callers.submit(ask, patient, LONG_COUNT) for _ in range(4)]
        failed = [callers.submit(ask, once, LONG_COUNT) for _ in range(4)]
        with pair.primary.connection() as conn:
            wait_until(
                conn,
                "SELECT count(*) = 8 FROM pg_stat_activity"
                " WHERE usename = 'zava_server' AND state = 'active'",
            )
        old = fail_over(pair)
        assert {call.result().rows for call in repeated} == {((6_000_000,),)}
        for call in failed:
            with pytest.raises(UnavailableError) as refused:
                call.result()
            assert refused.value.error_code == "UNAVAILABLE"
    pair.rejoin(old)


def test_a_new_key_of_the_seals_changes_no_answer_before_or_after_its_replay(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    _, other = replicas.standbys
    several = replicas.several(
        standby, other, user="zava_server", load_balance_hosts="random"
    )
    here, both = serve(standby.conninfo("zava_server")), serve(several, min_size=4)
    count = ask(here, COUNT).rows
    assert count[0][0] > 0
    assert ask(both, COUNT).rows == count
    with standby.paused():
        replicas.primary.run(NEW_KEY)
        other.wait_until("SELECT pg_last_wal_replay_lsn() >= %s", replicas.written())
        started = serve(standby.conninfo("zava_server"))
        for provider in (here, started, *[both] * 8):
            assert ask(provider, COUNT).rows == count
    replicas.catch_up()
    for provider in (here, started, *[both] * 8):
        assert ask(provider, COUNT).rows == count


@pytest.mark.once
def test_a_server_that_has_not_replayed_a_refusal_does_not_overrule_it(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    _, other = replicas.standbys
    several = replicas.several(other, standby, user="zava_server")
    provider = serve(several, retry_deadline=0.1)
    bellevue = STORE_MANAGERS["Zava Retail Bellevue"]
    provider.fetch(COUNT, provider.resolve_identity(bellevue), 1)
    with standby.paused(), without_store(replicas.primary, bellevue):
        other.wait_until("SELECT pg_last_wal_replay_lsn() >= %s", replicas.written())
        with pytest.raises(AuthorizationError):
            provider.fetch(COUNT, provider.resolve_identity(bellevue), 1)
        pool = provider.connection_pool
        assert pool is not None
        pool.conninfo = standby.conninfo("zava_server")
        pool.drain()
        # A connection to the other one may still have been on its way.
        with pytest.raises((StaleAnswerError, AuthorizationError)):
            provider.fetch(COUNT, provider.resolve_identity(bellevue), 1)


@contextmanager
def without_store(primary: Server, user_id: str) -> Iterator[None]:
    text = "UPDATE retail.stores SET manager_id = %s WHERE manager_id = %s"
    nobody = str(uuid4())
    primary.run(text, nobody, user_id)
    try:
        yield
    finally:
        primary.run(text, user_id, nobody)


@contextmanager
def without_binding(primary: Server, user_id: str) -> Iterator[None]:
    primary.run("DELETE FROM retail.login_identities WHERE user_id = %s", user_id)
    yield


@contextmanager
def without_personal_data(primary: Server, user_id: str) -> Iterator[None]:
    text = "UPDATE retail.personal_data_rights SET may_read = false WHERE user_id = %s"
    primary.run(text, user_id)
    yield


RIGHTS = {
    "their store": (without_store, "zava_server", COUNT),
    "the binding of their login": (without_binding, "tacoma", COUNT),
    "the right to personal data": (
        without_personal_data,
        "zava_server",
        "SELECT count(email) FROM retail.customers",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("ends", ["with-the-next-call", "with-their-age"])
@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_that_ends_is_used_until_it_is_replayed_and_never_beyond_the_age(
    replicas: Replicas, standby: Server, serve: Serve, right: str, ends: str
) -> None:
    revoked, login, query = RIGHTS[right]
    tacoma = STORE_MANAGERS["Zava Retail Tacoma"]
    primary = replicas.primary
    BoundLogins(DatabaseLoader(primary.conninfo())).add("tacoma", [tacoma], None)
    primary.run(
        "INSERT INTO retail.personal_data_rights (user_id, may_read)"
        " VALUES (%s, true) ON CONFLICT (user_id) DO UPDATE SET may_read = true",
        tacoma,
    )
    replicas.catch_up()
    provider = serve(standby.conninfo(login), max_staleness=3600.0)
    clock = FakeClock()
    cache = QueryCache(ttl=7200.0, max_age=3600.0, clock=clock)
    executor = QueryExecutor(
        provider,
        cache,
        SchemaCatalog(provider, cache),
        max_rows=10,
        max_result_bytes=1000,
        max_query_length=1000,
    )
    strict = serve(standby.conninfo(login), max_staleness=0.001)
    kept = executor.execute(query, tacoma).result.rows
    assert kept[0][0] > 0
    with ExitStack() as stack:
        with standby.paused():
            stack.enter_context(revoked(primary, tacoma))
            wait_for_receipt(replicas, standby)
            assert executor.execute(query, tacoma, fresh=True).result.rows == kept
            with pytest.raises(StaleAnswerError):
                strict.fetch(query, strict.resolve_identity(tacoma), 1)
        replicas.catch_up()
        if ends == "with-their-age":
            clock.advance(3600)
        else:
            with pytest.raises((AuthorizationError, QueryError)):
                executor.execute(query, tacoma, fresh=True)
        with pytest.raises((AuthorizationError, QueryError)) as refused:
            executor.execute(query, tacoma)
    assert refused.value.error_code in ("AUTHORIZATION_ERROR", "INSUFFICIENT_PRIVILEGE")


def test_a_streamed_answer_of_a_standby_is_as_old_as_what_it_shows(
    replicas: Replicas, standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    seattle = provider.resolve_identity(SEATTLE)
    with standby.paused():
        committed = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        as_of, rows = provider.stream(
            COUNT, seattle, lambda rows: (rows.as_of, list(rows.batches()))
        )
    assert as_of < committed
    assert rows


def test_a_standby_that_stands_where_a_primary_was_is_noticed(
    standby: Server, serve: Serve
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    assert provider.connection_pool is not None
    with provider.connection_pool.checkout() as conn:
        replay = conn.replay
    replay.is_watched = False
    ask(provider)
    assert replay.is_watched
    assert replay.seen.position > 0


def test_without_a_way_to_say_how_far_it_is_a_server_is_healthy_all_the_same(
    replicas: Replicas, serve: Serve
) -> None:
    provider = serve(replicas.primary.conninfo("zava_server", dbname="postgres"))
    assert provider.ping() == ""
    assert provider.answering_server == ""


def test_the_calls_of_a_standby_are_one_round_trip(
    replicas: Replicas, standby: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = serve(standby.conninfo("zava_server"))
    ask(provider)
    sent = []

    def noting(conn: psycopg.Connection[Any], statements: Any, *rest: Any) -> Any:
        sent.append(len(statements))
        return exchange(conn, statements, *rest)

    monkeypatch.setattr("zava.data.transaction.exchange", noting)
    ask(provider)
    assert len(sent) == 1
