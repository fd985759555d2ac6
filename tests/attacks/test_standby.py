"""The attacks, legitimate and generated queries once more, against a hot standby.

A part of them, spread over all groups; all with ZAVA_TEST_STANDBY=whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

import psycopg
import pytest
from hypothesis import given, settings

from tests.attacks import plain_sql, test_attacks, test_differential, test_legitimate
from tests.attacks.conftest import Fleet, Outcomes, Witnesses, attacked_copy
from tests.attacks.corpus import Text
from tests.attacks.setting import Attacked, Servers, Target
from tests.attacks.test_attacks import (  # noqa: F401 - collected here again
    QUICK,
    SLOW,
    before,
    exhausted,
)
from tests.attacks.test_differential import ATTEMPTS, query
from tests.attacks.test_legitimate import LEGITIMATE
from tests.conftest import EXAMPLES, STANDBY_IS_ATTACKED_WHOLLY
from tests.e2e.stdio_process import Answer, StdioProcess
from tests.replicas import standby_of, wait_until
from zava.admin.embedded import EmbeddedServer

pytestmark = [pytest.mark.thorough, pytest.mark.once]

T = TypeVar("T")

ATTACKED = "zava_attacked_standby"
# What a standby may say before it asks for a right.
IN_RECOVERY = {"OBJECT_NOT_IN_PREREQUISITE_STATE"}
_EVERY = 1 if STANDBY_IS_ATTACKED_WHOLLY else 16
_EXAMPLES = EXAMPLES if STANDBY_IS_ATTACKED_WHOLLY else 12


def part(texts: Sequence[T]) -> Sequence[T]:
    return texts[::_EVERY]


@pytest.fixture(scope="module")
def planted(cluster: EmbeddedServer, small_template: str) -> Iterator[Attacked]:
    """The database on the primary."""
    with attacked_copy(cluster, small_template, ATTACKED) as planted:
        yield planted


@pytest.fixture(scope="module")
def standby(cluster: EmbeddedServer, planted: Attacked) -> Iterator[EmbeddedServer]:
    with standby_of(cluster) as server:
        yield server


@pytest.fixture(scope="module")
def superuser(standby: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with plain_sql.connect(standby.conninfo(dbname=ATTACKED, user="postgres")) as conn:
        yield conn


@pytest.fixture(scope="module")
def attacked(
    planted: Attacked, standby: EmbeddedServer, superuser: psycopg.Connection
) -> Attacked:
    """The database on the standby, when it has replayed what was planted."""
    written = planted.owner.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert written is not None
    wait_until(superuser, "SELECT pg_last_wal_replay_lsn() >= %s", *written)
    return replace(planted, owner=superuser)


@pytest.fixture(scope="module")
def target(standby: EmbeddedServer, attacked: Attacked) -> Target:
    return Target(standby.conninfo(dbname=ATTACKED, user="zava_server"))


@pytest.fixture(scope="module")
def servers(
    attacked: Attacked, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    """They end with the module, as the standby does."""
    with ExitStack() as stack:
        yield Fleet(attacked, stack, tmp_path_factory).of(target)


@pytest.fixture(scope="module")
def plain(target: Target) -> Iterator[psycopg.Connection]:
    with plain_sql.connect(target.conninfo) as conn:
        yield conn


def test_what_is_attacked_is_a_standby(plain: psycopg.Connection) -> None:
    row = plain.execute("SELECT pg_is_in_recovery()").fetchone()
    assert row == (True,)


@pytest.mark.parametrize("attack", part(QUICK), ids=str)
def test_an_attack_is_refused_or_answered_with_own_rows_and_changes_nothing(
    attacked: Attacked,
    before: dict[str, str],  # noqa: F811 - the fixture
    servers: Servers,
    witnesses: Witnesses,
    outcomes: Outcomes,
    attack: Text,
) -> None:
    attack = replace(attack, expect=attack.expect | IN_RECOVERY)
    test_attacks.test_an_attack_is_refused_or_answered_with_own_rows_and_changes_nothing(
        attacked, before, servers, witnesses, outcomes, attack
    )


@pytest.mark.parametrize("legitimate", part(LEGITIMATE), ids=str)
def test_a_legitimate_query_is_answered_as_postgresql_answers_it(
    attacked: Attacked,
    servers: Servers,
    plain: psycopg.Connection,
    outcomes: Outcomes,
    legitimate: Text,
) -> None:
    test_legitimate.test_a_legitimate_query_is_answered_as_postgresql_answers_it(
        attacked, servers, plain, outcomes, legitimate
    )


@settings(ATTEMPTS, max_examples=_EXAMPLES)
@given(text=query())
def test_policies_give_what_an_explicit_filter_gives(
    attacked: Attacked,
    servers: Servers,
    superuser: psycopg.Connection,
    outcomes: Outcomes,
    text: str,
) -> None:
    compare = test_differential.test_policies_give_what_an_explicit_filter_gives
    compare.hypothesis.inner_test(attacked, servers, superuser, outcomes, text)  # type: ignore[attr-defined]


if STANDBY_IS_ATTACKED_WHOLLY:

    @pytest.mark.parametrize("attack", SLOW, ids=str)
    def test_an_attempt_to_exhaust_the_server_meets_a_ceiling(
        attacked: Attacked,
        exhausted: tuple[str, StdioProcess, dict[str, Answer]],
        outcomes: Outcomes,
        attack: Text,
    ) -> None:
        test_attacks.test_an_attempt_to_exhaust_the_server_meets_a_ceiling(
            attacked, exhausted, outcomes, attack
        )


def test_after_all_attacks_the_database_is_as_it_was(
    attacked: Attacked,
    before: dict[str, str],  # noqa: F811 - the fixture
) -> None:
    test_attacks.test_after_all_attacks_the_database_is_as_it_was(attacked, before)
