"""The requirements of docs/requirements.md, and the tests that claim them.

A test claims the ids that it proves: `@pytest.mark.acceptance("A48", "D18")`. The
claims are read from the source of the tests, which is not imported: the answer is
the same whether pytest runs one file or all of them.

`python -m tests.acceptance` writes the last column of the document anew.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCUMENT = ROOT / "docs" / "requirements.md"

HEAD = ("id", "requirement", "where", "proven by")
MOST_NAMED = 3
"""Tests that a row names; the others are counted."""

UNPROVEN: dict[str, str] = {}
"""Id -> why no test claims it."""

_RULE = re.compile(r"[-:| ]+")
_ID = re.compile(r"[AD][1-9][0-9]*")


class Requirement(NamedTuple):
    """One row of the document.

    Attributes:
        id: `A…` for a part of the architecture, `D…` for a defect that zava lacks.
        sentence: What zava does.
        where: Python objects, SQL objects and files, each in backticks.
        proven_by: Tests, as `proof` writes them.
    """

    id: str
    sentence: str
    where: str
    proven_by: str


class Claim(NamedTuple):
    """A test and the ids that it claims; `test` is `file::function`."""

    test: str
    ids: tuple[str, ...]


def read_rows(text: str) -> list[Requirement]:
    """Return every row of every table, in the order of the document.

    Raises:
        ValueError: A line of a table is no row.
    """
    return [row for line in text.splitlines() if (row := read_row(line))]


def read_row(line: str) -> Requirement | None:
    """Return the requirement of a line; None outside of tables and for their heads.

    Raises:
        ValueError: The line has not four cells, or the first is no id.
    """
    if not line.startswith("|"):
        return None
    cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
    if cells == HEAD or _RULE.fullmatch(line):
        return None
    if len(cells) != len(HEAD) or not _ID.fullmatch(cells[0]):
        raise ValueError(f"no row of requirements: {line}")
    return Requirement(*cells)


@cache
def requirements() -> dict[str, Requirement]:
    """Id -> the row of the document; of a double the last."""
    rows = read_rows(DOCUMENT.read_text("utf-8"))
    return {row.id: row for row in rows}


@cache
def claims() -> tuple[Claim, ...]:
    """Every test that claims an id, in the order of the files.

    Raises:
        ValueError: A claim stands on what pytest does not collect.
    """
    return tuple(
        claim
        for path in sorted(TESTS.rglob("*.py"))
        for claim in read_claims(
            path.relative_to(TESTS).as_posix(), path.read_text("utf-8")
        )
    )


def read_claims(file: str, source: str) -> Iterator[Claim]:
    """Yield the claims of one file.

    Raises:
        ValueError: A claim stands on what pytest does not collect.
    """
    if "acceptance(" not in source:  # parsing takes nearly all of the time
        return
    tree = ast.parse(source)
    left = {id(node): node for node in ast.walk(tree) if _is_claim(node)}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [decorator for decorator in node.decorator_list if _is_claim(decorator)]
        is_test = node.name.startswith("test_") and _is_collected(file)
        if calls and is_test:
            for call in calls:
                del left[id(call)]
            yield Claim(f"{file}::{node.name}", _ids(calls))
    if left:
        lines = sorted(getattr(node, "lineno", 0) for node in left.values())
        raise ValueError(f"a claim in {file}, line {lines[0]}, is on no test")


def _is_claim(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return ast.unparse(node.func).endswith("mark.acceptance")


def _is_collected(file: str) -> bool:
    return file.rpartition("/")[2].startswith("test_")


def _ids(calls: Sequence[ast.expr]) -> tuple[str, ...]:
    return tuple(
        ast.literal_eval(argument)
        for call in calls
        if isinstance(call, ast.Call)
        for argument in call.args
    )


def proofs(made: Sequence[Claim]) -> dict[str, list[str]]:
    """Id -> the tests that claim it, the best proof first.

    A test that claims few ids is about them; one that claims many touches each.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for claim in sorted(made, key=lambda claim: (len(claim.ids), claim.test)):
        for name in claim.ids:
            found[name].append(claim.test)
    return found


def proof(name: str, tests: Sequence[str]) -> str:
    """Return the last cell of a row: the best tests, and how many more there are."""
    if not tests:
        return f"no test: {UNPROVEN[name]}" if name in UNPROVEN else "no test"
    named = ", ".join(f"`{test}`" for test in tests[:MOST_NAMED])
    others = len(tests) - MOST_NAMED
    return f"{named} and {others} more" if others > 0 else named


def with_proofs(text: str, tests: Mapping[str, Sequence[str]]) -> str:
    """Return the document with the last cell of every row written anew."""
    return "".join(f"{_with_proof(line, tests)}\n" for line in text.splitlines())


def _with_proof(line: str, tests: Mapping[str, Sequence[str]]) -> str:
    row = read_row(line)
    if row is None:
        return line
    cells = (*row[:-1], proof(row.id, tests.get(row.id, ())))
    return f"| {' | '.join(cells)} |"


def unknown_claims() -> dict[str, list[str]]:
    """Id that is no requirement -> the tests that claim it."""
    found = proofs(claims())
    return {name: tests for name, tests in found.items() if name not in requirements()}


def main() -> None:
    """Write the last column of the document anew."""
    text = DOCUMENT.read_text("utf-8")
    written = with_proofs(text, proofs(claims()))
    if written != text:
        DOCUMENT.write_text(written, "utf-8")
    for name, tests in unknown_claims().items():
        sys.stderr.write(f"{name} is no requirement; claimed by {', '.join(tests)}\n")
    if unknown_claims():
        sys.exit(1)


if __name__ == "__main__":
    main()
