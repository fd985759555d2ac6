"""What the README and docs/ say is what the program does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.conftest import ROOT
from tests.fakes import server_with
from zava.admin.data_quality import DATA_CHECKS
from zava.data.posture.checks import CHECKS
from zava.settings import PREFIX, Settings

README = (ROOT / "README.md").read_text("utf-8")
DOCS = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench/README.md")
)


def documented_settings() -> dict[str, tuple[str, str]]:
    """Variable -> default and range, from the tables of docs/settings.md."""
    rows = re.findall(
        r"^\| `(ZAVA_\w+)` \|([^|]*)\|([^|]*)\|", DOCS["settings.md"], re.MULTILINE
    )
    return {name: (default.strip(), bounds.strip()) for name, default, bounds in rows}


def bounds_in_words(name: str) -> str:
    """The numbers between which a setting has to lie; "" for none."""
    limits = {
        kind: getattr(rule, kind)
        for rule in Settings.model_fields[name].metadata
        for kind in ("ge", "gt", "le", "lt")
        if getattr(rule, kind, None) is not None
    }
    if "ge" in limits and "le" in limits:
        return f"{limits['ge']} to {limits['le']}"
    if "ge" in limits:
        return f"at least {limits['ge']}"
    if "gt" in limits:
        most = f", at most {limits['le']}" if "le" in limits else ""
        return f"above {limits['gt']}{most}"
    return ""


def anchors(text: str) -> set[str]:
    """What a link can point to in a page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def test_the_settings_page_lists_every_setting_once_and_no_other() -> None:
    expected = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(documented_settings()) == expected
    listed = re.findall(r"^\| `(ZAVA_\w+)` \|", DOCS["settings.md"], re.MULTILINE)
    assert len(listed) == len(set(listed))


def is_default(name: str, stated: str) -> bool:
    """Whether a cell of the table says a setting's default."""
    default = Settings.model_fields[name].default
    if name in ("data_dir", "export_dir", "log_file"):
        return bool(stated)  # in words: it depends on the user
    if isinstance(default, int | float):
        return float(stated) == float(default)
    return stated == ("" if default is None else str(default))


def test_the_settings_page_states_the_defaults() -> None:
    stated = documented_settings()
    cells = {name: stated[PREFIX + name.upper()][0] for name in Settings.model_fields}
    wrong = [
        (name, cell)
        for name, cell in cells.items()
        if not is_default(name, cell.strip("`"))
    ]
    assert wrong == []


def test_the_settings_page_states_the_ranges() -> None:
    stated = documented_settings()
    cells = {name: stated[PREFIX + name.upper()][1] for name in Settings.model_fields}
    wrong = [
        (name, cell, bounds_in_words(name))
        for name, cell in cells.items()
        if bounds_in_words(name) not in ("", cell)
    ]
    assert wrong == []


def tool_names() -> set[str]:
    return {tool.name for tool in anyio.run(server_with().list_tools)}


def test_the_readme_names_every_tool_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z_]+)` \|", README, re.MULTILINE)
    assert set(listed) == tool_names()


def test_the_page_on_tools_names_every_tool_and_no_other() -> None:
    section, _, _ = DOCS["tools.md"].partition("\n## Errors")
    headings = re.findall(r"^### `(\w+)`", section, re.MULTILINE)
    _, _, server_tools = section.partition("\n## Server")
    rows = re.findall(r"^\| `(\w+)` \|", server_tools, re.MULTILINE)
    assert {*headings, *rows} == tool_names()


def test_the_operator_s_page_lists_every_check_in_order() -> None:
    _, _, section = DOCS["operations.md"].partition("## Check: zava doctor")
    section, _, _ = section.partition("\n## ")
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == CHECKS


def test_the_operator_s_page_lists_every_check_of_the_data_in_order() -> None:
    _, _, section = DOCS["operations.md"].partition("## Check the data:")
    section, _, _ = section.partition("\n## ")
    similar = "similar_source_ids_"
    names = [similar + "TABLE" if n.startswith(similar) else n for n in DATA_CHECKS]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert listed == list(dict.fromkeys(names))


def test_the_readme_shows_both_commands_in_one_line_each() -> None:
    commands = re.findall(r"^\$ (python3 -m venv .+)$", README, re.MULTILINE)
    assert [c.rsplit("/", 1)[1] for c in commands] == ["zava demo", "tox p"]


def is_there(page: Path, link: str) -> bool:
    """Whether a link of a page leads to a file, and to a heading of it."""
    path, _, anchor = link.partition("#")
    file = (ROOT / page.parent / path).resolve() if path else ROOT / page
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text("utf-8"))


def links() -> Iterator[tuple[Path, str]]:
    """The links of every page that lead to files of ours."""
    for page in PAGES:
        for link in re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text("utf-8")):
            if "://" not in link:
                yield page, link


def named_paths() -> Iterator[tuple[Path, str]]:
    """The files and folders that the pages name, but for the changelog.

    That tells of files that are gone.
    """
    tops = (
        r"zava|tests|bench|seed|migrations|docs",
        r"protocol|service|data|infra|admin|settings|ai",
    )
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            text = (ROOT / page).read_text("utf-8")
            for name in re.findall(rf"`((?:{tops[0]})/[\w./]*)`", text):
                yield page, name
            for name in re.findall(rf"`((?:{tops[1]})/[\w./]+)`", text):
                yield page, name


def test_a_link_leads_somewhere() -> None:
    told = list(links())
    assert told
    assert [(str(page), link) for page, link in told if not is_there(page, link)] == []


def test_a_path_that_a_page_names_is_there() -> None:
    told = list(named_paths())
    assert told
    gone = [
        (str(page), name)
        for page, name in told
        if not (ROOT / name).exists() and not (ROOT / "zava" / name).exists()
    ]
    assert gone == []


DECISIONS = {
    "Blocking code in threads": "not async",
    "One schema under row level security": "not a database per store",
    "PostgreSQL's grammar": "not a parser",
    "A cache in memory": "no Redis",
    "HNSW for the vector index": "ivfflat",
}
"""What was decided, and the alternative that it is weighed against."""


@pytest.mark.acceptance("A2")
def test_a_decision_is_weighed_against_its_alternative() -> None:
    _, _, decisions = DOCS["architecture.md"].partition("## Decisions")
    paragraphs = decisions.split("\n\n")
    found = {
        decision: [p for p in paragraphs if p.startswith(f"**{decision}")]
        for decision in DECISIONS
    }
    assert [name for name, those in found.items() if len(those) != 1] == []
    unweighed = [
        name
        for name, (paragraph,) in found.items()
        if DECISIONS[name] not in paragraph or len(paragraph.split()) <= 30
    ]
    assert unweighed == []
