"""How the tools are declared, and whom they hand on to."""

from __future__ import annotations

import ast
import inspect
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fakes import server_with
from tests.people import SEATTLE
from zava.errors import BusyError
from zava.models import Column, ResultSet
from zava.protocol import tools
from zava.protocol.server import RetailServer
from zava.service.queries.executor import QueryAnswer, Question

RESULT = ResultSet(
    columns=(Column(name="n", type="int4"),),
    rows=((1,),),
    row_texts=("[1]",),
    truncated=None,
    as_of=datetime(2026, 6, 30, tzinfo=timezone.utc),
)
Called = list[tuple[Question, str]]


class RecordingExecutor:
    """Stands in for QueryExecutor; notes what it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.called: Called = []
        self._error = error

    def check(self, query: str, *, max_rows: int, fresh: bool) -> Question:
        """Find everything fit."""
        return Question(query, max_rows, fresh)

    def peek(self, question: Question, user_id: str) -> None:
        """Keep nothing."""

    def answer(self, question: Question, user_id: str) -> QueryAnswer:
        """Answer with one row."""
        self.called.append((question, user_id))
        if self._error is not None:
            raise self._error
        return QueryAnswer(RESULT, False, 1.5)


def serving(executor: RecordingExecutor) -> RetailServer:
    """Return a server that answers queries by `executor`, for one person."""
    return server_with(query_executor=executor, user_id=SEATTLE)


def call(server: RetailServer, name: str, **arguments: Any) -> Any:
    async def ask() -> Any:
        return await server.call_tool(name, arguments)

    return anyio.run(ask)


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    """Every tool as a client sees it, by its name."""
    return {tool.name: tool for tool in anyio.run(server_with().list_tools)}


@pytest.mark.acceptance("A4")
def test_every_tool_is_a_function_of_a_module_under_a_decorator(
    listed: dict[str, Any],
) -> None:
    modules = (
        tools.exports,
        tools.metric_tools,
        tools.products,
        tools.query,
        tools.sales,
        tools.status,
    )
    declared = [
        node.name
        for module in modules
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).startswith(("read_only_tool(", "file_writing_tool("))
    ]
    assert sorted(declared) == sorted(listed)
    assert [one.function.__name__ for one in tools.DECLARED] == list(listed)


def test_every_module_of_tools_is_imported(listed: dict[str, Any]) -> None:
    found = {path.stem for path in Path(tools.__file__).parent.glob("*.py")}
    declaring = {one.function.__module__ for one in tools.DECLARED}
    assert {name.rpartition(".")[2] for name in declaring} == found - {
        "__init__",
        "charting",
        "declaration",
    }


def test_two_servers_hand_on_to_services_of_their_own() -> None:
    executors = [RecordingExecutor(), RecordingExecutor()]
    for executor in executors:
        call(serving(executor), "execute_sales_query", postgresql_query="SELECT 1")
    assert [len(executor.called) for executor in executors] == [1, 1]


@pytest.mark.acceptance("A5", "A6", "A10")
def test_a_query_is_described_to_the_model(listed: dict[str, Any]) -> None:
    schema = listed["execute_sales_query"].input_schema
    query = schema["properties"]["postgresql_query"]
    assert query["type"] == "string"
    assert query["description"].startswith("Well-formed PostgreSQL query")
    assert schema["required"] == ["postgresql_query"]
    assert schema["properties"]["max_rows"]["default"] == 20
    assert "ctx" not in schema["properties"]


@pytest.mark.acceptance("A7")
def test_the_model_is_told_of_row_level_security(listed: dict[str, Any]) -> None:
    description = listed["execute_sales_query"].description
    assert description.startswith("Execute a PostgreSQL query with Row Level Security")


@pytest.mark.acceptance("A5", "A8", "A10")
def test_a_query_is_handed_on_as_it_is_for_the_person_who_is_served() -> None:
    executor = RecordingExecutor()
    answer = call(
        serving(executor),
        "execute_sales_query",
        postgresql_query="DROP anything; not ours to judge",
        max_rows=7,
    )
    question = Question("DROP anything; not ours to judge", max_rows=7, fresh=False)
    assert executor.called == [(question, SEATTLE)]
    assert not answer.is_error
    assert answer.structured_content["rows"] == ((1,),)


@pytest.mark.acceptance("A10", "A12")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "postgresql_query"),
        ({"postgresql_query": {}}, "postgresql_query"),
        ({"postgresql_query": "SELECT 1", "max_rows": "many"}, "max_rows"),
    ],
)
def test_arguments_that_do_not_fit_never_reach_the_service(
    arguments: dict[str, Any], field: str
) -> None:
    executor = RecordingExecutor()
    answer = call(serving(executor), "execute_sales_query", **arguments)
    assert executor.called == []
    assert answer.is_error
    assert answer.meta["zava/error"]["code"] == "VALIDATION_ERROR"
    assert answer.meta["zava/error"]["field"] == field


@pytest.mark.acceptance("A12")
def test_a_failure_is_an_error_result_with_a_code() -> None:
    executor = RecordingExecutor(BusyError("every connection is taken"))
    answer = call(serving(executor), "execute_sales_query", postgresql_query="SELECT 1")
    assert answer.is_error
    assert answer.structured_content is None
    assert answer.content[0].text == "[BUSY] every connection is taken"
    assert answer.meta == {"zava/error": {"code": "BUSY"}}
