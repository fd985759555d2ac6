"""Asks zava a conversation over stdio, finds the values in its answers, compares."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jmespath

from bench.answers.questions import Conversation, Question
from bench.client import BenchClient

Row = list[Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a question.

    Attributes:
        question: The question.
        person: Who asked.
        calls: How many calls it took.
        characters: Of text in their answers.
        found: The rows of the value.
        expected: The rows of the truth.
    """

    question: Question
    person: str
    calls: int
    characters: int
    found: list[Row]
    expected: list[Row]

    @property
    def is_right(self) -> bool:
        match, tolerance = self.question.match, self.question.tolerance
        if match != "among" and len(self.found) != len(self.expected):
            return False
        if match == "equal":
            return all(
                _same(found, expected, tolerance)
                for found, expected in zip(self.found, self.expected, strict=True)
            )
        return (bool(self.found) or match == "unordered") and all(
            any(_same(found, expected, tolerance) for expected in self.expected)
            for found in self.found
        )


class AskingClient(BenchClient):
    """One that reads what a model reads: the list of tools, and the text of answers."""

    def __enter__(self) -> AskingClient:
        return self

    def tools(self) -> list[dict[str, Any]]:
        message = json.loads(self._exchange(self._encode("tools/list", {})))
        return list(message["result"]["tools"])

    def ask(self, tool: str, arguments: dict[str, Any]) -> str:
        """Return the text of an answer, also that of an error."""
        result = json.loads(self._exchange(self._request(tool, arguments)))["result"]
        return "".join(part.get("text", "") for part in result["content"])


def hold(
    client: AskingClient, conversation: Conversation, truth: dict[str, list[Row]]
) -> Iterator[Outcome]:
    """Ask the questions of a conversation one after the other."""
    answers: dict[str, str] = {}
    for question in conversation.question:
        texts = [client.ask(call.tool, call.arguments) for call in question.call]
        if texts:
            answers[question.name] = texts[-1]
        text = answers.get(question.after or question.name, "")
        yield Outcome(
            question,
            conversation.person,
            calls=len(texts),
            characters=sum(map(len, texts)),
            found=find(text, question.value),
            expected=truth[question.name],
        )


def find(text: str, value: str) -> list[Row]:
    """Return the rows that a JMESPath expression finds in the text of an answer."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        answer = text
    return _rows(jmespath.search(value, _with_objects(answer)))


def _with_objects(answer: Any) -> Any:
    """Return an answer whose tables have an object for each row, by column."""
    if isinstance(answer, list):
        return [_with_objects(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    columns = answer.get("columns")
    if not isinstance(columns, list) or not isinstance(answer.get("rows"), list):
        return {key: _with_objects(item) for key, item in answer.items()}
    names = [
        column["name"] if isinstance(column, dict) else column for column in columns
    ]
    rows = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
    rest = {key: _with_objects(item) for key, item in answer.items() if key != "rows"}
    return {**rest, "rows": rows}


def _rows(value: Any) -> list[Row]:
    """Return a value, a list of values or a list of rows as rows."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, list) else [item] for item in items]


def _same(found: Row, expected: Row, tolerance: float) -> bool:
    return len(found) == len(expected) and all(
        _same_cell(*cells, tolerance) for cells in zip(found, expected, strict=True)
    )


def _same_cell(found: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=tolerance)
    return bool(found == expected)
