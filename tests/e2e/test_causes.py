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
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.command_line import refusal, zava
from tests.e2e.conftest import Start
from tests.people import SEATTLE, STRANGER
from zava.embedded import EmbeddedServer

SECRET = "hunter2"


class Tls:
    """A server that answers a request for TLS with one letter; it counts its guests."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.guests = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Serve nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                guest, _ = self._listener.accept()
                self.guests += 1
                with guest, suppress(OSError):
                    guest.settimeout(5)
                    if guest.recv(8):
                        guest.sendall(self._answer)
                        guest.recv(1)


@pytest.fixture(scope="module")
def guarded(pg_version: int) -> Iterator[str]:
    """Conninfo of a database whose login has a password."""
    folder = Path(tempfile.mkdtemp(prefix="zava-test-"))
    folder.chmod(0o755)
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
def tls() -> Iterator[Callable[[bytes], Tls]]:
    open_ones: list[Tls] = []

    def start_one(answer: bytes) -> Tls:
        open_ones.append(Tls(answer))
        return open_ones[-1]

    yield start_one
    for server in open_ones:
        server.close()


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
    tls: Callable[[bytes], Tls],
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
    assert message in process.stderr
    health = process.call("health_check").structured["database"]
    assert health == f"unhealthy: {message}"
    doctor = refusal(zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url))
    assert doctor == f"zava: {message}"
    assert SECRET not in process.stderr + answer.text + doctor
    assert "Traceback" not in process.stderr
    assert sum(one.guests for one in servers.values()) <= 12


def test_a_folder_without_a_database_is_named_and_nothing_is_made(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    process = start(handshake=False, database_url="", data_dir=str(folder))
    assert process.wait() == 1
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
    assert process.wait() == 1
    line = process.stderr.splitlines()[-1]
    assert line.startswith("zava: ")
    assert ("zava users" if state == "no seed" else "zava init") in line
    doctor = zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url)
    assert doctor.returncode == 1
    assert ("zava users" if state == "no seed" else "zava init") in (
        doctor.stdout + doctor.stderr
    )


def test_a_stranger_is_told_where_the_ids_are(start: Start) -> None:
    process = start(STRANGER, handshake=False)
    assert process.wait() == 1
    assert "`zava users`" in process.stderr.splitlines()[-1]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
@pytest.mark.parametrize("columns", ["40", "80", "120"])
@pytest.mark.parametrize("color", ["", "1"])
def test_ids_and_names_are_whole_on_any_console(
    tmp_path: Path, empty_database: str, encoding: str, columns: str, color: str
) -> None:
    name = "Zōva → Łuk"
    loaded = zava(tmp_path, "init", "--no-seed", ZAVA_ADMIN_URL=empty_database)
    assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO retail.stores (name, location, manager_id)"
            " VALUES (%s, 'x', %s)",
            (name, SEATTLE),
        )
    ran = zava(
        tmp_path,
        "users",
        ZAVA_ADMIN_URL=empty_database,
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
        timeout=60,
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
        assert "ZAVA_METRICS_PORT" in process.stderr
