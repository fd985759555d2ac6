"""The requirements and the tests are in step: docs/requirements.md, read both ways.

Nothing here needs a database.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from functools import cache

import pytest

from tests.acceptance import (
    DOCUMENT,
    ROOT,
    UNPROVEN,
    Claim,
    claims,
    proof,
    proofs,
    read_claims,
    read_row,
    read_rows,
    requirements,
    unknown_claims,
    with_proofs,
)

TEXT = DOCUMENT.read_text("utf-8")
ROWS = read_rows(TEXT)
_NAME = re.compile(r"`([^`]+)`")


def numbers(letter: str) -> list[int]:
    return sorted(int(row.id[1:]) for row in ROWS if row.id[0] == letter)


@pytest.mark.parametrize("letter", ["A", "D"])
def test_the_ids_run_from_one_without_a_gap_or_a_double(letter: str) -> None:
    found = numbers(letter)
    assert found
    assert found == list(range(1, len(found) + 1))


def test_every_requirement_is_claimed_by_a_test_or_has_a_reason() -> None:
    unclaimed = set(requirements()) - set(proofs(claims())) - set(UNPROVEN)
    assert sorted(unclaimed, key=lambda name: (name[0], int(name[1:]))) == []


def test_a_test_claims_nothing_that_is_no_requirement() -> None:
    assert unknown_claims() == {}


def test_a_reason_is_given_only_where_no_test_claims_the_requirement() -> None:
    assert set(UNPROVEN) <= set(requirements())
    assert set(UNPROVEN) & set(proofs(claims())) == set()
    assert all(UNPROVEN.values())


def test_the_document_names_the_tests_that_claim_each_requirement() -> None:
    written = with_proofs(TEXT, proofs(claims())).splitlines()
    stale = [line for line in TEXT.splitlines() if line not in written]
    assert stale == [], "python -m tests.acceptance writes the column anew"


def test_every_requirement_is_a_sentence_of_its_own() -> None:
    sentences = [row.sentence.casefold() for row in ROWS]
    assert [s for s in sentences if not s.endswith(".") or sentences.count(s) > 1] == []


def test_what_the_requirements_point_at_is_there() -> None:
    places = {row.id: _NAME.findall(row.where) for row in ROWS}
    malformed = [
        row.id
        for row in ROWS
        if row.where != ", ".join(f"`{name}`" for name in places[row.id])
        or not places[row.id]
    ]
    missing = [
        f"{id}: {name}"
        for id, names in places.items()
        for name in names
        if not is_there(name)
    ]
    assert (malformed, missing) == ([], [])


def is_there(name: str) -> bool:
    """Whether a name is a file of the checkout, a Python object or an SQL object."""
    if (ROOT / name).is_file():
        return True
    return is_in_package(name) if name.startswith("zava.") else name in sql_objects()


def is_in_package(name: str) -> bool:
    """Whether a dotted name can be imported; also the attribute of an instance."""
    try:
        pkgutil.resolve_name(name)
    except ImportError:
        return False
    except AttributeError:
        owner_name, _, attribute = name.rpartition(".")
        try:
            owner = pkgutil.resolve_name(owner_name)
        except (ImportError, AttributeError):
            return False
        return inspect.isclass(owner) and is_set_by(owner, attribute)
    return True


def is_set_by(owner: type, attribute: str) -> bool:
    """Whether a class declares an attribute of its instances, or sets it."""
    if attribute in inspect.get_annotations(owner):
        return True
    assignment = rf"\bself\.{re.escape(attribute)}(: [^=]+)? = "
    return re.search(assignment, inspect.getsource(owner)) is not None


@cache
def sql_objects() -> frozenset[str]:
    """What schema.sql makes: roles, schemas, extensions, tables, columns and so on."""
    sql = (ROOT / "schema.sql").read_text("utf-8")
    # Of tables, columns, functions, roles and schemas each has a comment.
    kinds = "TABLE|COLUMN|FUNCTION|ROLE|SCHEMA"
    found = set(re.findall(rf"^COMMENT ON (?:{kinds}) ([\w.]+)", sql, re.M))
    found |= set(re.findall(r"CREATE EXTENSION (\w+)", sql))
    indexes = re.findall(r"CREATE INDEX (?:IF NOT EXISTS )?(\w+)", sql)
    indexes += re.findall(r"make_index\('(\w+)'", sql)
    return frozenset(found | {f"retail.{name}" for name in indexes})


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("schema.sql", True),
        ("zava/data/transaction.sql", True),
        ("zava.errors", True),
        ("zava.errors.MCPError.details", True),
        ("zava.errors.MCPError.error_code", True),
        ("zava.models.Identity.seal", True),
        ("retail", True),
        ("store_managers", True),
        ("retail.orders.status", True),
        ("retail.set_identity", True),
        ("retail.idx_product_embeddings_vector", True),
        ("docs", False),
        ("zava/data/no_such.sql", False),
        ("zava.no_such", False),
        ("zava.errors.NoSuch", False),
        ("zava.errors.NoSuch.thing", False),
        ("zava.errors.MCPError.no_such", False),
        ("zava.errors.NO_MEMORY.no_such", False),
        ("retail.no_such", False),
    ],
)
def test_a_name_is_looked_for_where_it_says(name: str, there: bool) -> None:
    assert is_there(name) is there


MARKED = """
@pytest.mark.thorough
@pytest.mark.acceptance("A1", "D2")
@pytest.mark.parametrize("x", [1])
@pytest.mark.acceptance("A3")
{keyword} test_it(): ...
"""


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_claim_is_read_from_the_decorator_wherever_it_stands(keyword: str) -> None:
    source = MARKED.format(keyword=keyword)
    (claim,) = read_claims("unit/test_x.py", source)
    assert claim == Claim("unit/test_x.py::test_it", ("A1", "D2", "A3"))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        pytest.param("test_x.py", "{}\ndef helper(): ...", id="no-test"),
        pytest.param("test_x.py", "{}\nclass TestIt: ...", id="class"),
        pytest.param(
            "test_x.py", "def make():\n    {}\n    def test_it(): ...", id="within"
        ),
        pytest.param("x.py", "{}\ndef test_it(): ...", id="file"),
        pytest.param("conftest.py", "{}\ndef test_it(): ...", id="conftest"),
    ],
)
def test_a_claim_on_what_pytest_does_not_collect_is_refused(
    file: str, source: str
) -> None:
    marked = source.format('@pytest.mark.acceptance("A1")')
    with pytest.raises(ValueError, match="is on no test"):
        list(read_claims(file, marked))


def test_a_claim_of_a_whole_file_is_refused() -> None:
    with pytest.raises(ValueError, match="is on no test"):
        list(read_claims("test_x.py", 'pytestmark = pytest.mark.acceptance("A1")'))


@pytest.mark.parametrize(
    "line",
    [
        "| A1 | Three cells. | `zava` |",
        "| A1 | Five | cells. | `zava` | `test_x.py::test_it` |",
        "| B1 | No id. | `zava` | `test_x.py::test_it` |",
        "| A01 | No id. | `zava` | `test_x.py::test_it` |",
    ],
)
def test_a_line_of_a_table_that_is_no_row_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no row"):
        read_row(line)


@pytest.mark.parametrize(
    ("tests", "cell"),
    [
        ([], "no test"),
        (["a"], "`a`"),
        (["a", "b", "c"], "`a`, `b`, `c`"),
        (["a", "b", "c", "d", "e"], "`a`, `b`, `c` and 2 more"),
    ],
)
def test_a_row_names_three_tests_and_counts_the_others(
    tests: list[str], cell: str
) -> None:
    assert proof("A1", tests) == cell


def test_a_row_says_why_it_has_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UNPROVEN, "A1", "a person reads it")
    assert proof("A1", []) == "no test: a person reads it"


def test_the_test_that_claims_fewest_ids_is_named_first() -> None:
    made = [Claim("a", ("A1", "A2")), Claim("c", ("A1",)), Claim("b", ("A1",))]
    assert proofs(made) == {"A1": ["b", "c", "a"], "A2": ["a"]}


def test_only_the_last_column_is_written_anew() -> None:
    text = "# Title\n\n| A1 | It is. | `zava` | `old` |\n\nA text.\n"
    written = with_proofs(text, proofs([Claim("new", ("A1",))]))
    assert written == text.replace("old", "new")
