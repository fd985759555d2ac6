"""A database of version 1 of the schema: what names the migration, and what runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import ROOT, RunPsql
from tests.e2e.command_line import PATIENCE, ZAVA, refusal, zava
from tests.e2e.conftest import Start
from tests.e2e.stdio_process import environment
from tests.people import SEATTLE

pytestmark = [pytest.mark.thorough, pytest.mark.once]

VERSION_1 = ROOT / "tests" / "integration" / "admin"


@pytest.fixture
def old(empty_database: str, run_psql: RunPsql) -> str:
    """A superuser's conninfo of a database of version 1 with some orders."""
    files = (VERSION_1 / "schema_1.sql", VERSION_1 / "sales_1.sql")
    loaded = run_psql(
        empty_database,
        *("-q", "-v", "ON_ERROR_STOP=1"),
        *(part for file in files for part in ("-f", str(file))),
    )
    assert loaded.returncode == 0, loaded.stderr
    return empty_database


def is_migrated(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as conn:
        found = conn.execute("SELECT to_regclass('retail.schema_version')").fetchone()
    return found != (None,)


def test_serve_and_doctor_say_which_version_there_is_and_what_mends_it(
    start: Start, tmp_path: Path, old: str
) -> None:
    url = make_conninfo(old, user="zava_server")
    expected = (
        "this database has version 1 of the schema, and this zava needs version 2:"
        " run `zava init --migrate`, which keeps the rows"
    )
    process = start(handshake=False, database_url=url)
    assert expected in process.refusal()
    assert process.stderr.splitlines()[-1] == f"zava: {expected}"
    for arguments in (("doctor", "--user", SEATTLE), ("doctor",)):
        said = refusal(zava(tmp_path, *arguments, ZAVA_DATABASE_URL=url))
        assert said == f"zava: {expected}"
    for command in ("users", "refresh", "embed"):
        said = refusal(zava(tmp_path, command, ZAVA_ADMIN_URL=old))
        assert said == f"zava: {expected}"


def test_a_newer_schema_asks_for_a_newer_zava(
    start: Start, tmp_path: Path, empty_database: str
) -> None:
    loaded = zava(tmp_path, "init", "--no-seed", ZAVA_ADMIN_URL=empty_database)
    assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(empty_database) as conn:
        conn.execute("INSERT INTO retail.schema_version (version) VALUES (3)")
    url = make_conninfo(empty_database, user="zava_server")
    said = refusal(zava(tmp_path, "doctor", ZAVA_DATABASE_URL=url))
    assert "version 3 of the schema" in said
    assert said.endswith("needs version 2: install the newer zava")


def announced(output: str) -> list[tuple[str, ...]]:
    """The table and the change of each line; its size may change with an autovacuum."""
    rows = (line.split("|") for line in output.splitlines() if line.count("|") == 5)
    return [(row[0].strip(), row[3].strip()) for row in rows]


def test_init_migrates_only_when_it_is_told_to(tmp_path: Path, old: str) -> None:
    line = refusal(zava(tmp_path, "init", "--no-seed", ZAVA_ADMIN_URL=old))
    assert "zava init --migrate" in line
    plan = zava(tmp_path, "init", "--migrate", "--dry-run", ZAVA_ADMIN_URL=old)
    assert (plan.returncode, plan.stderr) == (0, "")
    assert "retail.orders" in plan.stdout
    assert "rewritten" in plan.stdout
    assert not is_migrated(old)

    done = zava(tmp_path, "init", "--migrate", ZAVA_ADMIN_URL=old)
    assert done.returncode == 0, done.stderr
    assert "NOTICE" not in done.stderr
    assert announced(done.stdout) == announced(plan.stdout)
    assert "\nschema: migrated to version 2\n" in done.stdout
    assert "retail.recompute_business_days()" in done.stdout
    assert "\nseed: left alone, there is data already\n" in done.stdout
    assert is_migrated(old)
    again = zava(tmp_path, "init", "--dry-run", ZAVA_ADMIN_URL=old)
    assert (again.returncode, again.stdout) == (0, "nothing to migrate\n")
    url = make_conninfo(old, user="zava_server")
    looked = zava(tmp_path, "doctor", "--user", SEATTLE, ZAVA_DATABASE_URL=url)
    assert looked.returncode == 0, looked.stdout


def test_init_asks_on_a_terminal(tmp_path: Path, old: str) -> None:
    for answer, status in (("n", 1), ("y", 0)):
        ours, theirs = os.openpty()
        try:
            os.write(ours, f"{answer}\n".encode())
            ran = subprocess.run(
                [ZAVA, "init", "--no-seed"],
                cwd=tmp_path,
                env=environment(ZAVA_ADMIN_URL=old),
                stdin=theirs,
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=PATIENCE,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        assert ran.returncode == status, ran.stderr
        assert "Migrate now?" in ran.stdout
        assert ("nothing was changed" in ran.stderr) == (answer == "n")
        assert is_migrated(old) == (answer == "y")
