"""What is asked: conversations from TOML, their truth from SQL, their recorded values."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent
DATABASES = ("seed", "journey")
VALUES = FOLDER / "values.json"

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Entry):
    """One call of a tool."""

    tool: str
    arguments: dict[str, Any] = {}


class Question(_Entry):
    """What somebody wants to know.

    Attributes:
        name: Of its truth in the .sql file, too.
        words: As a manager would say it.
        call: The calls that it needs; none where an earlier answer holds the value.
        after: The earlier question whose last answer holds the value.
        value: Where in the answer the value stands, a JMESPath expression; every table
            of columns and rows is a list of objects there.
        match: Whether the value is all rows of the truth, in any order, or some of them.
        tolerance: By how much a number may differ.
    """

    name: str = Field(pattern=r"^\w+$")
    words: str = Field(min_length=10)
    call: tuple[Call, ...] = ()
    after: str | None = None
    value: str
    match: Literal["equal", "unordered", "among"] = "equal"
    tolerance: float = 0.005


class Conversation(_Entry):
    """Questions in a row by one person, who remembers the answers."""

    about: str
    person: str
    question: tuple[Question, ...]


class Questions(_Entry):
    """Everything that is asked of one database.

    Attributes:
        people: The user id of each person.
        conversation: In the order of the file.
    """

    people: dict[str, str]
    conversation: tuple[Conversation, ...]

    def __iter__(self) -> Iterator[Question]:  # type: ignore[override]
        for conversation in self.conversation:
            yield from conversation.question


def read_questions(database: str) -> Questions:
    """Return what is asked of `seed` or `journey`."""
    text = (FOLDER / f"{database}.toml").read_text("utf-8")
    return Questions.model_validate(tomllib.loads(text))


def read_truth(database: str) -> dict[str, str]:
    """Return the SQL of each question's truth, by its name."""
    _, *parts = _NAME.split((FOLDER / f"{database}.sql").read_text("utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def read_values() -> dict[str, list[list[Any]]]:
    """Return the rows that the truth had when it was recorded, by the question's name."""
    values: dict[str, list[list[Any]]] = json.loads(VALUES.read_text("utf-8"))
    return values


def write_values(values: dict[str, list[list[Any]]]) -> None:
    """Record rows, one question a line."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(rows, ensure_ascii=False)}"
        for name, rows in sorted(values.items())
    )
    VALUES.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
