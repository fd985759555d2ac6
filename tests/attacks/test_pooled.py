"""The attacks and the legitimate queries once more, through a pooler.

Other people's transactions run on the same server connections before and after.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.attacks import plain_sql
from tests.attacks.conftest import ATTACKED
from tests.attacks.setting import Attacked, Target
from tests.attacks.test_attacks import (  # noqa: F401 - collected here again
    before,
    exhausted,
    test_after_all_attacks_the_database_is_as_it_was,
    test_after_all_attempts_to_exhaust_it_the_server_answers,
    test_an_attack_is_refused_or_answered_with_own_rows_and_changes_nothing,
    test_an_attempt_to_exhaust_the_server_meets_a_ceiling,
)
from tests.attacks.test_legitimate import (  # noqa: F401 - likewise
    test_a_legitimate_query_is_answered_as_postgresql_answers_it,
)
from tests.conftest import StartPooler
from zava.admin.embedded import EmbeddedServer

# What a pooler shares among people does not depend on PostgreSQL's version.
pytestmark = [pytest.mark.thorough, pytest.mark.once]


@pytest.fixture(scope="module")
def target(
    cluster: EmbeddedServer, attacked: Attacked, start_pooler: StartPooler
) -> Target:
    """How the servers reach `attacked`: all on the same few connections."""
    return Target(start_pooler(cluster.conninfo(dbname=ATTACKED, user="zava_server")))


@pytest.fixture(scope="module")
def plain(cluster: EmbeddedServer, attacked: Attacked) -> Iterator[psycopg.Connection]:
    """PostgreSQL's own answers come straight from it."""
    conninfo = cluster.conninfo(dbname=ATTACKED, user="zava_server")
    with plain_sql.connect(conninfo) as conn:
        yield conn
