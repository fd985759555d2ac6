"""Whatever keeps zava from serving is one line that names the setting to change.

The client's error, `zava doctor` and stderr say the same, at once and without the
password.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import RunPsql, temporary_database
from tests.e2e.command_line import PATIENCE, ZAVA, refusal, zava
from tests.e2e.conftest import Start
from tests.e2e.refusing_server import CannedServer, RefusingServer
from tests.e2e.stdio_process import INITIALIZE, environment, poll
from tests.folders import make_folder
from tests.people import SEATTLE, STRANGER
from zava.admin.embedded import EmbeddedServer

pytestmark = [pytest.mark.thorough, pytest.mark.once]

SECRET = "hunter2"


@pytest.fixture(scope="module")
def guarded(pg_version: int) -> Iterator[str]:
    """Conninfo of a database whose login has a password."""
    folder = make_folder()
    try:
        with EmbeddedServer(folder, version=pg_version) as server:
            hba = folder / f"postgresql-{pg_version}" / "pg_hba.conf"
            with psycopg.connect(
                server.conninfo(dbname="postgres", user="postgres"), autocommit=True
            ) as conn:
                conn.execute(f"CREATE ROLE guarded LOGIN PASSWORD 'not {SECRET}'")
                lines = hba.read_text()
                hba.write_text(f"local all guarded scram-sha-256\n{lines}")
                conn.execute("SELECT pg_reload_conf()")
            yield server.conninfo(dbname="postgres", user="guarded")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tls() -> Iterator[Callable[[bytes], CannedServer]]:
    """Starts servers that answer a request for TLS with one letter."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(CannedServer(answer))


# What is wrong: how it is reached, the code, what the line says.
CAUSES = {
    "password": (f"password={SECRET}", "CONFIGURATION_ERROR", ("password", "ZAVA_DB_PASSWORD")),
    "no-password": ("", "CONFIGURATION_ERROR", ("password", "ZAVA_DB_PASSWORD")),
    "user": (f"user=nobody_here password={SECRET}", "CONFIGURATION_ERROR", ("nobody_here", "ZAVA_DB_USER")),
    "database": (f"user=postgres dbname=nowhere password={SECRET}", "CONFIGURATION_ERROR", ("nowhere", "ZAVA_DB_NAME")),
    "socket": (f"port=1 password={SECRET}", "UNAVAILABLE", ("No such file", "ZAVA_DB_PORT")),
    "host": (f"host=no.such.host.invalid password={SECRET}", "UNAVAILABLE", ("no.such.host.invalid", "ZAVA_DB_HOST")),
    "port": (f"host=127.0.0.1 port=1 password={SECRET}", "UNAVAILABLE", ("refused", "ZAVA_DB_PORT")),
    "sslmode": (f"host=127.0.0.1 port={{no_tls}} sslmode=require password={SECRET}", "CONFIGURATION_ERROR", ("SSL", "sslmode")),
    "certificate": (
        f"host=127.0.0.1 port={{tls}} sslmode=verify-full sslrootcert=/no/such.crt password={SECRET}",
        "CONFIGURATION_ERROR",
        ("certificate", "sslrootcert"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_a_connection_that_cannot_be_made_is_explained_everywhere_alike(
    start: Start,
    tmp_path: Path,
    guarded: str,
    tls: Callable[[bytes], CannedServer],
    cause: str,
) -> None:
    reached, code, said = CAUSES[cause]
    servers = {"no_tls": tls(b"N"), "tls": tls(b"S")} if "{" in reached else {}
    reached = reached.format(**{name: one.port for name, one in servers.items()})
    url = make_conninfo(guarded, **dict(part.split("=", 1) for part in reached.split()))
    process = start(
        database_url=url, retry_attempts="1", log_level="WARNING", connect_timeout="2"
    )
    answer = process.query("SELECT 1")
    assert answer.error["code"] == code, answer.text
    message = answer.text.split("] ", 1)[1].splitlines()[0]
    for words in said:
        assert words in message
    process.wait_for(message)
    health = process.call("health_check").structured["database"]
    assert health == f"unhealthy: {message}"
    doctor = refusal(zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url))
    assert doctor == f"zava: {message}"
    assert SECRET not in process.stderr + answer.text + doctor
    assert "Traceback" not in process.stderr
    assert sum(one.guests for one in servers.values()) <= 12


# What a server answers a login: its word for FATAL, SQLSTATE and reason; zava's code,
# and the setting that is named.
REFUSALS = {
    "password": ("FATAL", "28P01", 'password authentication failed for user "zava_server"', "CONFIGURATION_ERROR", "ZAVA_DB_PASSWORD"),
    "password-in-Russian": ("ВАЖНО", "28P01", 'пользователь "zava_server" не прошёл проверку подлинности (по паролю)', "CONFIGURATION_ERROR", "ZAVA_DB_PASSWORD"),
    "database-in-Chinese": ("致命错误", "3D000", '数据库 "retail" 不存在', "CONFIGURATION_ERROR", "ZAVA_DB_NAME"),
    "may-not-log-in": ("FATAL", "28000", 'role "zava_server" is not permitted to log in', "CONFIGURATION_ERROR", "ZAVA_DB_USER"),
    "pg-hba": ("FATAL", "28000", 'no pg_hba.conf entry for host "192.0.2.1", user "zava_server", database "retail", no encryption', "CONFIGURATION_ERROR", "pg_hba.conf"),
    "no-connect-right": ("FATAL", "42501", 'permission denied for database "retail"', "CONFIGURATION_ERROR", "ZAVA_DB_NAME"),
    "starting": ("FATAL", "57P03", "the database system is starting up", "UNAVAILABLE", "tried again at the next call"),
    "full": ("FATAL", "53300", "sorry, too many clients already", "UNAVAILABLE", "tried again at the next call"),
}  # fmt: skip


@pytest.mark.parametrize("cause", REFUSALS)
def test_a_server_that_refuses_is_asked_once_a_call_and_its_reason_told(
    start: Start, tmp_path: Path, cause: str
) -> None:
    *answer, code, named = REFUSALS[cause]
    with RefusingServer(*answer) as server:
        url = f"{server.conninfo} password={SECRET}"
        # Retries are for a connection that was there and got lost.
        process = start(database_url=url, retry_attempts="5", log_level="WARNING")
        process.wait_for(answer[2])
        # Two that the pool keeps open, and the one that asks: said after the first.
        poll(lambda: server.guests >= 3, "all have asked")
        assert server.guests == 3
        for number in range(1, 4):
            refused = process.query("SELECT 1")
            assert refused.error["code"] == code, refused.text
            assert server.guests == 3 + number
        message = refused.text.split("] ", 1)[1]
        assert answer[2] in message
        assert named in message
        process.wait_for(message)
        doctor = zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url)
        assert refusal(doctor) == f"zava: {message}"
        assert SECRET not in process.stderr + refused.text + doctor.stderr


@pytest.mark.parametrize(
    ("url", "named"),
    [
        pytest.param("port=99999999", "ZAVA_DB_PORT", id="port-that-is-none"),
        pytest.param("sslmode=none", "sslmode", id="sslmode-that-is-none"),
        pytest.param("service=nothing", "PGSERVICEFILE", id="service"),
        pytest.param(f"nonsense {SECRET}", "ZAVA_DATABASE_URL", id="no-conninfo"),
    ],
)
def test_a_connection_string_that_is_wrong_is_told_alike(
    start: Start, tmp_path: Path, url: str, named: str
) -> None:
    process = start(handshake=False, database_url=url, log_level="WARNING")
    # At once: a server that cannot start waits for two seconds, and no longer.
    asked = process.ask("initialize", INITIALIZE)
    doctor = refusal(zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url))
    assert named in doctor
    answer = process.receive(asked)
    told = answer["error"]["message"] if "error" in answer else None
    if told is None:  # libpq alone finds out, with the first connection
        told = process.query("SELECT 1").text
    assert doctor.removeprefix("zava: ") in told
    process.wait_for(doctor.removeprefix("zava: "))
    assert SECRET not in process.stderr + doctor


@pytest.mark.parametrize(
    ("variables", "note"),
    [
        pytest.param({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "words", id="no-network"),
        pytest.param({"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "OPENAI_BASE_URL": "http://192.0.2.1/v1"}, "words", id="proxy"),
        pytest.param({"SSL_CERT_FILE": "/no/such.pem"}, "words", id="certificates"),
        pytest.param({"ZAVA_EMBEDDING_PROVIDER": "local"}, "zava embed", id="no-vectors"),
        pytest.param({"ZAVA_EMBEDDING_PROVIDER": "none"}, "words", id="no-model"),
    ],
)  # fmt: skip
def test_what_keeps_from_search_by_meaning_keeps_from_nothing_else(
    start: Start, variables: dict[str, str], note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-not-a-key",
        "ZAVA_EMBEDDING_PROVIDER": "openai",
        "ZAVA_EMBEDDING_TIMEOUT": "1",
        **variables,
    }.items():
        monkeypatch.setenv(name, value)
    process = start(
        embedding_provider=os.environ["ZAVA_EMBEDDING_PROVIDER"], embedding_timeout="1"
    )
    found = process.call("semantic_search_products", query_description="hammer")
    assert found.structured["products"]
    assert note in " ".join(found.structured["notes"]), found.text
    assert "sk-not-a-key" not in found.text + process.stderr
    assert process.query("SELECT 1").structured["rows"] == [[1]]


def test_a_locale_of_ascii_keeps_from_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LANG"):
        monkeypatch.setenv(name, "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    process = start()
    assert process.query("SELECT 'Zoë → 店'").structured["rows"] == [["Zoë → 店"]]


@pytest.mark.parametrize("obstacle", ["full-disk", "no-folder"])
def test_a_data_folder_that_takes_nothing_is_named_by_its_setting(
    tmp_path: Path, obstacle: str
) -> None:
    folder = tmp_path / "data" if obstacle == "full-disk" else Path("/proc/nowhere")
    limit = "ulimit -f 200; " if obstacle == "full-disk" else ""
    ran = subprocess.run(
        ["sh", "-c", f'{limit}exec "$0" init --no-seed', ZAVA],
        cwd=tmp_path,
        env=environment(ZAVA_DATA_DIR=str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    # What measures coverage has something to say of a full disk as well.
    (line,) = (x for x in ran.stderr.splitlines() if x.startswith("zava: "))
    assert ran.returncode == 1
    assert "ZAVA_DATA_DIR" in line


def test_a_folder_without_a_database_is_named_and_nothing_is_made(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    process = start(handshake=False, database_url="", data_dir=str(folder))
    process.refusal()
    for line in (
        process.stderr.splitlines()[-1],
        *(
            refusal(zava(tmp_path, *arguments, ZAVA_DATA_DIR=str(folder)))
            for arguments in (
                ("users",),
                ("doctor", "--user", SEATTLE),
                ("embed",),
                ("login", "list"),
            )
        ),
    ):
        assert "zava init" in line
        assert "ZAVA_DATA_DIR" in line
        assert str(folder) in line
    assert not folder.exists()


@pytest.mark.parametrize("state", ["no schema", "an older schema", "no seed"])
def test_a_database_that_is_not_ready_is_explained_at_the_start(
    start: Start, tmp_path: Path, empty_database: str, state: str
) -> None:
    if state != "no schema":
        loaded = zava(tmp_path, "init", "--no-seed", ZAVA_ADMIN_URL=empty_database)
        assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(empty_database, autocommit=True) as conn:
        if state == "no schema":
            conn.execute(
                "DO $$ BEGIN IF to_regrole('zava_server') IS NULL THEN"
                " CREATE ROLE zava_server LOGIN; END IF; END $$"
            )
        if state == "an older schema":
            conn.execute("DROP FUNCTION retail.login_is_bound() CASCADE")
            conn.execute(
                "INSERT INTO retail.stores (name, location, manager_id)"
                f" VALUES ('Zava Retail Seattle', 'Seattle', '{SEATTLE}')"
            )
    url = make_conninfo(empty_database, user="zava_server")
    process = start(handshake=False, database_url=url)
    process.refusal()
    line = process.stderr.splitlines()[-1]
    assert line.startswith("zava: ")
    assert ("zava users" if state == "no seed" else "zava init") in line
    doctor = zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url)
    assert doctor.returncode == 1
    assert ("zava users" if state == "no seed" else "zava init") in (
        doctor.stdout + doctor.stderr
    )


def test_whoever_asks_nothing_is_told_nothing_and_not_waited_for_long(
    start: Start,
) -> None:
    silent, odd = (start(STRANGER, handshake=False) for _ in range(2))
    odd.write(b'\n[1]\nno json\n{"id": true, "method": "ping"}\n')
    odd.notify("notifications/initialized")
    for process in (silent, odd):
        assert process.wait() == 1
        assert process.rest() == []
    behind = start(STRANGER, handshake=False)
    behind.write(b"no json\n")
    assert "`zava users`" in behind.refusal()


def test_a_stranger_is_told_where_the_ids_are(start: Start) -> None:
    process = start(STRANGER, handshake=False)
    process.refusal()
    assert "`zava users`" in process.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def oddly_named(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """A superuser's conninfo of a database with one store, whose name is not ASCII."""
    for name in temporary_database(cluster, "template0"):
        conninfo = cluster.conninfo(dbname=name, user="postgres")
        loaded = run_psql(conninfo, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
        assert loaded.returncode == 0, loaded.stderr
        with psycopg.connect(conninfo) as conn:
            conn.execute(
                "INSERT INTO retail.stores (name, location, manager_id)"
                " VALUES ('Zōva → Łuk', 'x', %s)",
                (SEATTLE,),
            )
        yield conninfo


# Each encoding and each width with colours and without.
@pytest.mark.parametrize(
    ("encoding", "columns", "color"),
    [
        ("cp1252", "40", "1"),
        ("cp1252", "120", ""),
        ("ascii", "40", ""),
        ("ascii", "80", "1"),
        ("latin-1", "80", ""),
        ("latin-1", "120", "1"),
    ],
)
def test_ids_and_names_are_whole_on_any_console(
    tmp_path: Path, oddly_named: str, encoding: str, columns: str, color: str
) -> None:
    ran = zava(
        tmp_path,
        "users",
        ZAVA_ADMIN_URL=oddly_named,
        PYTHONIOENCODING=encoding,
        COLUMNS=columns,
        FORCE_COLOR=color,
        LC_ALL="C",
    )
    assert ran.returncode == 0, ran.stderr
    assert SEATTLE in ran.stdout
    assert "store_managers" in ran.stdout
    assert "…" not in ran.stdout


def test_the_client_s_command_runs_nothing_of_the_client_s_project(
    tmp_path: Path, server_conninfo: str
) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "zava.py").write_text("raise SystemExit('taken over')")
    printed = zava(
        tmp_path,
        *("client-config", "cursor", "--user", SEATTLE),
        ZAVA_DATABASE_URL=server_conninfo,
        ZAVA_AUDIT_FILE="audit.jsonl",
        OPENAI_API_KEY="sk-x",
        OPENAI_ORG_ID="org-1",
        HTTPS_PROXY="http://proxy:1",
        ZAVA_EMBEDDING_PROVIDER="openai",
    )
    assert printed.returncode == 0, printed.stderr
    server = json.loads(printed.stdout)["mcpServers"]["zava"]
    assert server["env"]["ZAVA_AUDIT_FILE"] == str(tmp_path / "audit.jsonl")
    assert server["env"]["OPENAI_ORG_ID"] == "org-1"
    assert server["env"]["HTTPS_PROXY"] == "http://proxy:1"
    ran = subprocess.run(
        [server["command"], *server["args"]],
        cwd=tmp_path,
        env={**os.environ, **server["env"], "ZAVA_LOG_FILE": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert "taken over" not in ran.stderr
    assert ran.returncode == 0, ran.stderr


def test_a_dotenv_file_of_the_client_s_folder_is_not_read(
    start: Start, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / ".env")  # whoever opened it would wait for ever
    process = start()
    assert process.query("SELECT 1").structured["rows"] == [[1]]


def test_a_failed_query_is_one_line_of_the_log(start: Start, tmp_path: Path) -> None:
    process = start(log_file=str(tmp_path / "log" / "a.log"))
    process.query("SELECT nothing_like_it FROM retail.orders")
    process.query("SELECT 1")
    log = (tmp_path / "log" / "a.log").read_text()
    assert len([line for line in log.splitlines() if "nothing_like_it" in line]) == 1
    assert "Query failed" not in log
    assert (tmp_path / "log" / "a.log").stat().st_mode & 0o777 == 0o600


def test_two_servers_with_one_metrics_port_both_serve(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(metrics_port=port)
        assert process.query("SELECT 1").structured["rows"] == [[1]]
        process.wait_for("ZAVA_METRICS_PORT")
