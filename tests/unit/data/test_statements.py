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
FILES = sorted((PACKAGE / "data").glob("*.sql"))
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


def test_there_are_names_and_none_twice() -> None:
    assert len(NAMES) > 10
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_followed_by_its_purpose(name: str) -> None:
    described = re.search(
        rf"^-- name: {name}\n(-- .*\n)*-- .*\.\n(?!--)", TEXT, re.MULTILINE
    )
    assert re.fullmatch(r"[a-z_]+", name)
    assert described


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_bare_sql(name: str) -> None:
    text = statement(name)
    assert text == text.strip()
    assert text
    assert "-- name" not in text
    without_literals = re.sub(r"'(?:[^']|'')*'", "''", text)
    assert ";" not in without_literals


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_is_used(name: str) -> None:
    assert name in strings()


def test_every_name_that_is_asked_for_exists() -> None:
    assert asked_for() <= set(NAMES)
    assert asked_for()


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        statement("no_such_statement")


@pytest.mark.acceptance("A8")
def test_no_statement_stands_in_the_code() -> None:
    sql = re.compile(r"^(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|SET LOCAL)\s")
    allowed = {"demo.py"}  # shows what a model would write
    for file, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A SELECT over names of the catalogue, quoted, cannot be a file.
            built = node.value == "SELECT " or file in allowed
            assert built or not sql.match(node.value), (file, node.value)
