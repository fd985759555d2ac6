"""The rows that follow a cut result: all of them, of one reading, for one person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.patience import PATIENCE
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data import read_ahead
from zava.data.provider import PostgreSQLProvider
from zava.errors import HandleError, MCPError, QueryError, ValidationError
from zava.infra.cache import QueryCache
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryAnswer, QueryExecutor
from zava.service.queries.kept_rows import KeptRows

NUMBERS = "SELECT n FROM generate_series(1, {}) AS n"


def executor_of(
    provider: PostgreSQLProvider,
    *,
    rows: int = 1000,
    size: int = 10**7,
    max_result_bytes: int = 100_000,
) -> QueryExecutor:
    cache = QueryCache()
    return QueryExecutor(
        provider,
        cache,
        SchemaCatalog(provider, cache),
        max_rows=1000,
        max_result_bytes=max_result_bytes,
        max_query_length=10_000,
        kept_rows=KeptRows(max_rows=rows, max_bytes=size, seconds=60),
    )


@pytest.fixture
def executor(provider: PostgreSQLProvider) -> QueryExecutor:
    return executor_of(provider)


@pytest.fixture(autouse=True)
def _time_to_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a slow machine is late with are not those that take long."""
    monkeypatch.setattr(read_ahead, "_SECONDS", PATIENCE)


def pages(
    executor: QueryExecutor, first: QueryAnswer, max_rows: int = 100
) -> list[QueryAnswer]:
    """The first answer and every one after it."""
    answers = [first]
    while (handle := answers[-1].handle) is not None:
        answers.append(executor.more(handle, SEATTLE, max_rows))
    return answers


def cells(answers: list[QueryAnswer]) -> list[Any]:
    return [row[0] for answer in answers for row in answer.result.rows]


@pytest.mark.parametrize("count", [21, 22, 119, 120, 121, 600, 1020])
def test_pages_are_the_whole_result(executor: QueryExecutor, count: int) -> None:
    answers = pages(executor, executor.execute(NUMBERS.format(count), SEATTLE))
    assert cells(answers) == list(range(1, count + 1))
    assert {answer.result.as_of for answer in answers} == {answers[0].result.as_of}
    assert answers[-1].result.truncated is None
    assert [answer.cached for answer in answers] == [False] + [True] * (
        len(answers) - 1
    )
    assert {answer.result.truncated for answer in answers[:-1]} == {"max_rows"}


@pytest.mark.parametrize("count", [1, 19, 20])
def test_a_result_that_is_whole_has_no_handle(
    executor: QueryExecutor, count: int
) -> None:
    answer = executor.execute(NUMBERS.format(count), SEATTLE)
    assert (answer.handle, answer.result.truncated) == (None, None)


def test_the_last_page_says_that_the_query_has_more(executor: QueryExecutor) -> None:
    answers = pages(executor, executor.execute(NUMBERS.format(5000), SEATTLE), 1000)
    assert cells(answers) == list(range(1, 1022))
    assert answers[-1].result.truncated == "kept_rows"


def test_what_is_cut_by_bytes_goes_on_too(provider: PostgreSQLProvider) -> None:
    executor = executor_of(provider, max_result_bytes=2000)
    query = "SELECT n, repeat('x', 300) FROM generate_series(1, 50) AS n"
    answers = pages(executor, executor.execute(query, SEATTLE, max_rows=50), 50)
    assert cells(answers) == list(range(1, 51))
    assert answers[0].result.truncated == "max_bytes"
    assert len(answers) > 5


def test_no_more_bytes_are_kept_than_allowed(provider: PostgreSQLProvider) -> None:
    executor = executor_of(provider, size=400_000)
    query = "SELECT n, repeat('x', 1000) FROM generate_series(1, 1000) AS n"
    answers = pages(executor, executor.execute(query, SEATTLE, max_rows=5))
    read = cells(answers)
    assert read == list(range(1, len(read) + 1))
    assert 5 < len(read) <= 106
    assert answers[-1].result.truncated == "kept_rows"
    assert executor.execute("SELECT 7", SEATTLE).result.rows == ((7,),)


def test_a_column_is_all_numbers_or_all_text_within_a_page(
    executor: QueryExecutor,
) -> None:
    query = "SELECT CASE n WHEN 150 THEN 2^60 ELSE n END::int8 FROM generate_series(1, 300) n"
    first = executor.execute(query, SEATTLE)
    assert first.handle is not None
    page = executor.more(first.handle, SEATTLE, 200)
    assert {type(row[0]) for row in page.result.rows} == {str}
    assert page.result.rows[0] == ("21",)


def test_a_failure_past_the_answer_is_none_of_its_own(
    executor: QueryExecutor, provider: PostgreSQLProvider
) -> None:
    query = "SELECT 1 / (n - 150) AS x, n FROM generate_series(1, 1000) AS n"
    answers = pages(executor, executor.execute(query, SEATTLE))
    numbers = [row[1] for answer in answers for row in answer.result.rows]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 21 <= len(numbers) < 150
    assert answers[-1].result.truncated == "kept_rows"
    assert executor.execute("SELECT 7", SEATTLE).result.rows == ((7,),)
    with pytest.raises(QueryError):
        executor.execute(query.replace("150", "7"), SEATTLE)


SLOW = "(SELECT count(*) FROM generate_series(1, 30000000 * (n > 25)::int) AS g) AS s"


@pytest.mark.thorough
def test_rows_that_take_long_are_not_waited_for(
    executor: QueryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "_SECONDS", 0.25)
    query = f"SELECT n, {SLOW} FROM generate_series(1, 1000) AS n"
    answer = executor.execute(query, SEATTLE)
    assert cells([answer]) == list(range(1, 21))
    assert answer.elapsed_ms < 20_000  # all rows take hours
    read = cells(pages(executor, answer))
    assert read == list(range(1, len(read) + 1))
    assert len(read) < 100


@pytest.mark.parametrize("count", [100, 5000])
def test_a_handle_past_the_last_row_says_which_to_give(
    executor: QueryExecutor, count: int
) -> None:
    first = executor.execute(NUMBERS.format(count), SEATTLE)
    assert first.handle is not None
    token, kept = first.handle.partition(".")[0], min(count, 1021)
    last = executor.more(f"{token}.{kept - 1}", SEATTLE, 10)
    assert (cells([last]), last.handle) == ([kept], None)
    for start in (kept, kept + 1, 999_999_999):
        with pytest.raises(ValidationError, match="give a handle as an answer has it"):
            executor.more(f"{token}.{start}", SEATTLE, 10)


def test_a_page_can_be_read_again(executor: QueryExecutor) -> None:
    first = executor.execute(NUMBERS.format(100), SEATTLE)
    assert first.handle is not None
    once, again = (executor.more(first.handle, SEATTLE, 10) for _ in range(2))
    assert once.result.rows == again.result.rows
    assert once.handle == again.handle


def test_a_kept_answer_has_its_handle_while_the_rows_are_there(
    provider: PostgreSQLProvider,
) -> None:
    executor = executor_of(provider, rows=50, size=20_000)
    first, second = (executor.execute(NUMBERS.format(99), SEATTLE) for _ in range(2))
    assert (first.cached, second.cached) == (False, True)
    assert first.handle is not None
    assert first.handle == second.handle
    for number in range(20):
        executor.execute(NUMBERS.format(100 + number), SEATTLE)
    assert executor.execute(NUMBERS.format(99), SEATTLE).handle is None
    with pytest.raises(HandleError):
        executor.more(first.handle, SEATTLE, 10)


def test_nobody_else_reads_on(executor: QueryExecutor) -> None:
    first = executor.execute(NUMBERS.format(100), SEATTLE)
    assert first.handle is not None
    with pytest.raises(HandleError):
        executor.more(first.handle, REDMOND, 10)
    with pytest.raises(ValidationError):
        executor.more(first.handle, SEATTLE, 0)


@pytest.fixture
def own(
    cluster: EmbeddedServer, database: str
) -> Iterator[tuple[QueryExecutor, psycopg.Connection]]:
    """An executor on a database of the test's own, and its administrator."""
    login = cluster.conninfo(dbname=database, user="zava_server")
    admin = cluster.conninfo(dbname=database, user="postgres")
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with psycopg.connect(admin, autocommit=True) as conn, closing(provider):
        yield executor_of(provider), conn


CHANGES = [
    pytest.param(
        "UPDATE retail.stores SET manager_id = gen_random_uuid() WHERE manager_id = %s",
        id="store",
    ),
    pytest.param(
        "INSERT INTO retail.personal_data_rights (user_id, may_read) VALUES (%s, false)",
        id="personal-data",
    ),
    pytest.param(
        "REVOKE EXECUTE ON FUNCTION retail.resolve_identity(uuid) FROM zava_server,"
        " PUBLIC -- %s",
        id="login",
    ),
]


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES)
def test_whoever_has_lost_a_right_reads_nothing_more(
    own: tuple[QueryExecutor, psycopg.Connection], change: str
) -> None:
    executor, admin = own
    first = executor.execute("SELECT order_id FROM retail.orders", SEATTLE)
    assert first.handle is not None
    assert executor.more(first.handle, SEATTLE, 10).result.rows
    admin.execute(psycopg.sql.SQL(change.replace("%s", "{}")).format(SEATTLE))
    with pytest.raises(MCPError):
        executor.more(first.handle, SEATTLE, 10)


@pytest.mark.thorough
def test_a_page_is_of_the_state_that_the_answer_is_of(
    own: tuple[QueryExecutor, psycopg.Connection],
) -> None:
    executor, admin = own
    query = "SELECT order_id, status FROM retail.orders"
    first = executor.execute(query, SEATTLE)
    admin.execute("UPDATE retail.orders SET status = 'cancelled'")
    answers = pages(executor, first)
    statuses = {row[1] for answer in answers for row in answer.result.rows}
    assert "completed" in statuses or len(statuses) > 1
