"""What the README says is what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from zava.protocol.server import RetailServer
from zava.protocol.threads import WorkerThreads
from zava.protocol.tools import Services, register_tools
from zava.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def documented_settings() -> dict[str, str]:
    """Variable -> default, from the README's table."""
    return dict(re.findall(r"^\| `(ZAVA_\w+)` \|([^|]*)\|", README, re.MULTILINE))


def test_the_readme_lists_every_setting_and_no_other() -> None:
    expected = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(documented_settings()) == expected


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_readme_states_the_default(name: str) -> None:
    stated = documented_settings()[PREFIX + name.upper()].strip().strip("`")
    default = Settings.model_fields[name].default
    if name in ("data_dir", "log_file"):
        assert stated  # in words: it depends on the user
    elif isinstance(default, int | float):
        assert float(stated) == float(default)
    else:
        assert stated == ("" if default is None else str(default))


def test_the_readme_lists_every_tool_and_no_other() -> None:
    server = RetailServer(watch=lambda _name: pytest.fail("nothing is called"))
    # Tools are only declared here, so nothing has to stand behind them.
    services = Services(
        **dict.fromkeys(Services.__dataclass_fields__, cast("Any", None))
    )
    register_tools(server, WorkerThreads(1), services, "")
    tools = anyio.run(server.list_tools)
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", README, re.MULTILINE))
    assert listed == {tool.name for tool in tools}


def test_the_readme_shows_both_commands_in_one_line_each() -> None:
    commands = re.findall(r"^\$ (python3 -m venv .+)$", README, re.MULTILINE)
    assert [c.rsplit("/", 1)[1] for c in commands] == ["zava demo", "tox p"]


@pytest.mark.acceptance("A2")
@pytest.mark.parametrize(
    ("decision", "alternative"),
    [
        ("Blocking code in threads", "not async"),
        ("One schema under row level security", "not a database per store"),
        ("PostgreSQL's grammar", "not a parser"),
        ("A cache in memory", "no Redis"),
        ("HNSW for the vector index", "ivfflat"),
    ],
)
def test_a_decision_is_weighed_against_its_alternative(
    decision: str, alternative: str
) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    _, _, decisions = text.partition("## Decisions")
    (paragraph,) = [p for p in decisions.split("\n\n") if p.startswith(f"**{decision}")]
    assert alternative in paragraph
    assert len(paragraph.split()) > 30
