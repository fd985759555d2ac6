"""The .sql files and the code that names their statements agree."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import zava
from zava.data.statements import statement

PACKAGE = Path(zava.__file__).parent
# What the wheel has in zava/database/ is psql's, and has no names in it.
FILES = sorted(set(PACKAGE.rglob("*.sql")) - set((PACKAGE / "database").rglob("*")))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
NAMES = re.findall(r"^-- name: (.*)$", TEXT, re.MULTILINE)
CODE = [(path.name, path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]


@cache
def nodes() -> tuple[tuple[str, ast.AST], ...]:
    """Every node of the package's code, with its file's name."""
    trees = ((name, ast.parse(text)) for name, text in CODE)
    return tuple((name, node) for name, tree in trees for node in ast.walk(tree))


def asked_for() -> set[str]:
    """The names given to `statement`, in the code, as literals."""
    return {
        node.args[0].value
        for _, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "statement"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def strings() -> set[str]:
    return {
        node.value
        for _, node in nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def is_described(name: str) -> bool:
    """Whether a name is one of words, and its purpose a sentence behind it."""
    described = re.search(
        rf"^-- name: {re.escape(name)}\n(-- .*\n)*-- .*\.\n(?!--)", TEXT, re.MULTILINE
    )
    return bool(re.fullmatch(r"[a-z_]+", name) and described)


def is_bare(text: str) -> bool:
    """Whether a text is one statement, without a name, blanks or an end of its own."""
    without_bodies = re.sub(r"\$\$.*?\$\$", "''", text, flags=re.DOTALL)
    without_literals = re.sub(r"'(?:[^']|'')*'", "''", without_bodies)
    is_trimmed = bool(text) and text == text.strip()
    return is_trimmed and "-- name" not in text and ";" not in without_literals


def test_there_are_names_and_none_twice() -> None:
    assert len(NAMES) > 10
    assert sorted({name for name in NAMES if NAMES.count(name) > 1}) == []


def test_every_file_has_names() -> None:
    nameless = [
        path.name for path in FILES if "-- name: " not in path.read_text("utf-8")
    ]
    assert nameless == []


def test_a_name_is_followed_by_its_purpose() -> None:
    assert [name for name in NAMES if not is_described(name)] == []


def test_a_statement_is_bare_sql() -> None:
    assert [name for name in NAMES if not is_bare(statement(name))] == []


def test_every_statement_is_used() -> None:
    assert sorted(set(NAMES) - strings()) == []


def test_every_name_that_is_asked_for_exists() -> None:
    assert sorted(asked_for() - set(NAMES)) == []
    assert asked_for()


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        statement("no_such_statement")


@pytest.mark.acceptance("A8")
def test_no_statement_stands_in_the_code() -> None:
    sql = re.compile(r"^(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|SET LOCAL)\s")
    allowed = {"demo.py"}  # shows what a model would write
    found = [
        (file, node.value)
        for file, node in nodes()
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and sql.match(node.value)
        # A SELECT over names of the catalogue, quoted, cannot be a file.
        and not (node.value == "SELECT " or file in allowed)
    ]
    assert found == []
