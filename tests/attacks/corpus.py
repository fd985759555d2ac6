"""The attacks and the legitimate queries: SQL texts by name, with what to expect.

They stand in .sql files, so that they read and highlight as what they are.
Lines that begin with `-- class:`, `-- expect:`, `-- expect-of-own:`, `-- slow`,
`-- varies` or `-- since:` hold for
all that follows, until the next of their kind; `-- name:` begins one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
ANSWER = "answer"
"""In `expect`: rows come back, and they are the caller's own."""

_DIRECTIVE = re.compile(
    r"^-- (class|expect|expect-of-own|since|slow|varies|name):?(?: (.*))?$"
)
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Text:
    """One SQL text of the corpus.

    Attributes:
        name: Unique within its class.
        sql: With placeholders such as `{{other_manager}}`.
        group: Number and name of the class of attack, or of query.
        expect: Error codes that count as a refusal, and `answer` if rows may come.
        expect_of_own: Error codes that only one's own rows may bring about.
        slow: It runs into a ceiling, so it is sent together with the others.
        varies: Its values differ from one time to the next.
        since: The first PostgreSQL version that has what it uses.
    """

    name: str
    sql: str
    group: str = ""
    expect: frozenset[str] = frozenset()
    expect_of_own: frozenset[str] = frozenset()
    slow: bool = False
    varies: bool = False
    since: int = 0

    def __str__(self) -> str:
        number = self.group.partition(" ")[0]
        return f"{number}-{self.name}" if number else self.name

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the SQL with its placeholders replaced; every one must be known."""
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.sql)


def read(folder: str) -> list[Text]:
    """Return the texts of a folder's .sql files, in order."""
    files = sorted((HERE / folder).glob("*.sql"))
    return [text for file in files for text in _parse(file.read_text("utf-8"))]


def _parse(content: str) -> Iterator[Text]:
    state = Text("", "")
    lines: list[str] = []
    for line in content.splitlines():
        found = _DIRECTIVE.match(line)
        if found is None:
            lines.append(line)
            continue
        if state.name:
            yield replace(state, sql="\n".join(lines).strip("\n"))
        lines = []
        state = _apply(replace(state, name=""), found[1], found[2] or "")
    if state.name:
        yield replace(state, sql="\n".join(lines).strip("\n"))


def _apply(state: Text, word: str, value: str) -> Text:
    if word == "name":
        return replace(state, name=value)
    if word == "class":
        return Text("", "", group=value)
    if word == "expect":
        codes = frozenset(value.split(", "))
        return replace(state, expect=codes, expect_of_own=frozenset())
    if word == "expect-of-own":
        return replace(state, expect_of_own=frozenset(value.split(", ")))
    if word == "since":
        return replace(state, since=int(value))
    if word == "varies":
        return replace(state, varies=True)
    return replace(state, slow=True)
