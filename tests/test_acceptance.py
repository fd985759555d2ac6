"""Every id of the acceptance list is claimed by a test, and every claim is an id.

The test files are read, not imported, so the answer is the same whether one file
is run or all of them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance import IDS, UNPROVEN

TESTS = Path(__file__).parent
MARK = "pytest.mark.acceptance"


@cache
def claims() -> dict[str, list[str]]:
    """Id -> the tests that claim it."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in claimed_by(node):
                    found[name].append(f"{path.name}::{node.name}")
    return found


def claimed_by(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    calls = [
        decorator
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == MARK
    ]
    if calls:
        assert test.name.startswith("test_"), f"{test.name} is no test"
    return [ast.literal_eval(argument) for call in calls for argument in call.args]


def test_every_id_is_claimed_by_a_test_or_has_a_reason() -> None:
    unclaimed = IDS - set(claims()) - set(UNPROVEN)
    assert sorted(unclaimed, key=lambda name: (name[0], int(name[1:]))) == []


def test_a_test_claims_nothing_that_is_not_on_the_list() -> None:
    unknown = {name: tests for name, tests in claims().items() if name not in IDS}
    assert unknown == {}


def test_a_reason_is_given_only_where_no_test_claims_the_id() -> None:
    assert set(UNPROVEN) <= IDS
    assert set(UNPROVEN) & set(claims()) == set()
    assert all(UNPROVEN.values())


def test_a_claim_is_read_from_the_decorator_wherever_it_stands() -> None:
    source = """
@pytest.mark.thorough
@pytest.mark.acceptance("A1", "D2")
@pytest.mark.parametrize("x", [1])
def test_it(): ...
"""
    (test,) = ast.parse(source).body
    assert isinstance(test, ast.FunctionDef)
    assert claimed_by(test) == ["A1", "D2"]


def test_a_claim_on_what_pytest_does_not_collect_is_refused() -> None:
    (helper,) = ast.parse('@pytest.mark.acceptance("A1")\ndef helper(): ...').body
    assert isinstance(helper, ast.FunctionDef)
    with pytest.raises(AssertionError, match="no test"):
        claimed_by(helper)
