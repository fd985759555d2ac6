"""`zava demo`, and what it leaves behind: an embedded PostgreSQL to work with."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from mcp import Client, StdioServerParameters

from tests.conftest import ROOT
from tests.e2e.command_line import Ran, zava
from tests.folders import make_folder
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer

pytestmark = [pytest.mark.thorough, pytest.mark.once]

SCALE = ("--scale", "0.01")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A working directory with a `.env` that leads nowhere, and a data folder."""
    made = make_folder()
    lines = ("ZAVA_DB_HOST=nowhere.invalid", "ZAVA_DB_NAME=x", "ZAVA_DB_PORT=1")
    (made / ".env").write_text("\n".join(lines), encoding="utf-8")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def variables(folder: Path, pg_version: int) -> dict[str, str]:
    return {
        "ZAVA_DATA_DIR": str(folder / "data"),
        "ZAVA_EMBEDDED_VERSION": str(pg_version),
    }


@pytest.fixture(scope="module")
def shown(folder: Path, variables: dict[str, str]) -> Ran:
    """What `zava demo` prints on a machine that has never seen it."""
    return zava(folder, "demo", *SCALE, **variables)


@pytest.fixture
def embedded(shown: Ran, tmp_path: Path, variables: dict[str, str]) -> dict[str, str]:
    """The variables of the database that the demonstration has left."""
    assert shown.returncode == 0, shown.stderr
    return variables


def part(shown: Ran, title: str) -> str:
    """Return the paragraph of the demonstration under a title."""
    (found,) = [p for p in shown.stdout.split("\n\n") if p.startswith(title)]
    return found


def masked(text: str) -> str:
    """Leave out what depends on the seed's scale: figures, and widths of columns."""
    return re.sub(r" {2,}", " ", re.sub(r"[0-9]+(?:[,.][0-9]+)*", "#", text))


def as_pattern(transcript: str) -> str:
    """Turn a line `…` into any lines, and `…` at a line's end into the line's rest."""
    parts = []
    for line in masked(transcript).splitlines():
        start, has_rest, _ = line.partition("…")
        if has_rest and not start:
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(start) + (r".*\n" if has_rest else r"\n"))
    return "".join(parts)


def test_the_readme_shows_what_the_demonstration_prints(shown: Ran) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (transcript,) = re.findall(r"^\$ .*zava demo$\n(.+?)^```$", readme, re.M | re.S)
    assert re.fullmatch(as_pattern(transcript), masked(shown.stdout))


def test_each_person_is_shown_their_own_stores(shown: Ran) -> None:
    assert (shown.returncode, shown.stderr) == (0, "")
    for store in ("Seattle", "Redmond"):
        lines = part(shown, f"Zava Retail {store} manager asks:").splitlines()
        assert len(lines) == 3
        assert lines[2].startswith(f"Zava Retail {store} ")
    assert len(part(shown, "Head Office asks:").splitlines()) == 2 + 8


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("An attempt to become the Redmond manager", "[INSUFFICIENT_PRIVILEGE]"),
        ("An attempt to delete", "[SYNTAX_ERROR]"),
        ("A slip that the model can mend", "[UNDEFINED_TABLE]"),
        ("How another store did", "[AUTHORIZATION_ERROR]"),
        ("A database login of the Zava Retail Seattle manager's own", "zava: no such"),
    ],
)
def test_what_is_not_allowed_is_refused_before_everybody_s_eyes(
    shown: Ran, title: str, code: str
) -> None:
    assert f"\n{code}" in part(shown, title)


def test_a_store_s_performance_and_the_health_are_shown(shown: Ran) -> None:
    assert "\n- " in part(shown, "How the Seattle store did")
    assert '"database": "healthy"' in part(shown, "Health")


def test_a_shopper_s_wish_is_shown_with_what_answers_it_or_nothing(shown: Ran) -> None:
    outlet = part(shown, "A shopper asks for: something to keep rain out")
    assert "Weatherproof In-Use Outlet Cover and Box" in outlet.splitlines()[1]
    laptop = part(shown, "A shopper asks for: a laptop")
    assert laptop.splitlines()[1].startswith("no product matches well")


def test_the_demonstration_ends_with_a_chart_and_a_page_of_it(
    shown: Ran, folder: Path
) -> None:
    chart = shown.stdout.rpartition("\n\nRevenue by month\n")[2].splitlines()
    assert sum("│" in line for line in chart) == 10
    assert any(0x2800 < ord(c) <= 0x28FF for line in chart for c in line)
    file = folder / "data" / "demo.html"
    assert f"The same chart as a page, for a browser: {file}" in chart
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert '"title": "Revenue by month"' in text


@pytest.fixture(scope="module")
def again(
    shown: Ran,
    folder: Path,
    variables: dict[str, str],
    pg_version: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ran:
    """What it prints on an older database, without the library that draws a page."""
    assert shown.returncode == 0, shown.stderr
    with (
        EmbeddedServer(folder / "data", version=pg_version) as server,
        psycopg.connect(server.conninfo(dbname="zava", user="postgres")) as conn,
    ):
        conn.execute(
            "DROP FUNCTION retail.refresh_search_vocabulary(),"
            " retail.add_search_vocabulary(uuid[])"
        )
        conn.execute("DROP VIEW retail.daily_sales")
        conn.execute("DROP TABLE retail.search_vocabulary")
    # Python runs this file first.
    library = tmp_path_factory.mktemp("library")
    (library / "sitecustomize.py").write_text(
        "import importlib.util as u; f = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'vl_convert' else f(n, *a)\n"
    )
    ran = zava(folder, "demo", *SCALE, PYTHONPATH=str(library), **variables)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran


def test_without_the_library_the_demonstration_still_draws_its_chart(
    again: Ran,
) -> None:
    assert 'The same chart as a page: pip install "zava[charts]"' in again.stdout
    assert "\nRevenue by month\n" in again.stdout


def test_the_demonstration_brings_an_older_database_up_to_date(again: Ran) -> None:
    test_a_store_s_performance_and_the_health_are_shown(again)
    test_a_shopper_s_wish_is_shown_with_what_answers_it_or_nothing(again)


def test_init_leaves_the_data_of_the_embedded_postgresql_alone(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    ran = zava(tmp_path, "init", **embedded)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "schema: loaded",
        "seed: left alone, there is data already",
        "embeddings: up to date, 424 by wordllama-256",
        "login: zava_server, through the embedded server's own socket",
        "next: zava users",
    ]
    listed = zava(tmp_path, "users", **embedded)
    assert SEATTLE in listed.stdout


@pytest.mark.anyio
async def test_a_client_s_configuration_starts_a_server_on_it(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    ran = zava(tmp_path, "client-config", "cursor", "--user", SEATTLE, **embedded)
    server = json.loads(ran.stdout)["mcpServers"]["zava"]
    parameters = StdioServerParameters(**server, cwd=tmp_path)
    async with Client(parameters) as session:
        arguments = {"postgresql_query": "SELECT name FROM retail.stores"}
        answer = await session.call_tool("execute_sales_query", arguments)
    assert answer.structured_content is not None
    assert answer.structured_content["rows"] == [["Zava Retail Seattle"]]


@pytest.mark.anyio
async def test_the_demonstration_leaves_an_assistant_that_answers(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    home = {**embedded, "HOME": str(tmp_path)}
    ran = zava(tmp_path, "demo", *SCALE, "--write", "claude-code", **home)
    assert ran.returncode == 0, ran.stderr
    undo = "zava client-config --remove claude-code --name zava-demo"
    assert ran.stdout.splitlines()[-1] == f"undo: {undo}"
    written = json.loads((tmp_path / ".claude.json").read_text("utf-8"))
    server = written["mcpServers"]["zava-demo"]
    assert server.pop("type") == "stdio"
    async with Client(StdioServerParameters(**server, cwd=tmp_path)) as session:
        arguments = {"postgresql_query": "SELECT count(*) FROM retail.stores"}
        answer = await session.call_tool("execute_sales_query", arguments)
    assert answer.structured_content is not None
    assert answer.structured_content["rows"] == [[8]]
    removed = zava(tmp_path, *undo.split()[1:], **home)
    assert removed.returncode == 0, removed.stderr
    left = (tmp_path / ".claude.json").read_text("utf-8")
    assert json.loads(left) == {"mcpServers": {}}


def test_a_login_of_one_s_own_works_on_it_and_is_said_to_keep_nobody_out(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    made = zava(tmp_path, "login", "add", "laptop", "--user", SEATTLE, **embedded)
    assert made.returncode == 0, made.stderr
    assert "\n  ZAVA_DB_USER=laptop\n" in made.stdout
    assert "keeps nobody out" in made.stderr
    with_login = {**embedded, "ZAVA_DB_USER": "laptop"}
    own = zava(tmp_path, "doctor", "--json", "--user", SEATTLE, **with_login)
    assert own.returncode == 0, own.stderr
    assert {check["status"] for check in json.loads(own.stdout)} == {"pass"}
    other = zava(tmp_path, "serve", "--user", REDMOND, **with_login)
    assert other.returncode == 1
    assert "not one that this database login may act as" in other.stderr
    removed = zava(tmp_path, "login", "remove", "laptop", **embedded)
    assert removed.returncode == 0, removed.stderr


def test_the_doctor_looks_at_its_data(embedded: dict[str, str], tmp_path: Path) -> None:
    ran = zava(tmp_path, "doctor", "--data", **embedded)
    assert ran.stderr == ""
    assert ran.stdout.splitlines()[-1].startswith("checks of the data: ")
