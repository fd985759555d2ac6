"""`zava query`: what a person or a script asks without an assistant."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command_line import ZAVA, Ran, refusal, zava
from tests.e2e.stdio_process import environment
from tests.patience import PATIENCE
from tests.people import NIL, REDMOND, SEATTLE, regional_manager

Ask = Callable[..., Ran]

STORES = "SELECT name FROM retail.stores ORDER BY name"
YEAR = ("--metrics", "revenue,orders", "--by", "month", "--period", "2025")


@pytest.fixture
def ask(server_conninfo: str, tmp_path: Path) -> Ask:
    """Run `zava query` as the Seattle manager, or as somebody else."""

    def run(*arguments: str, user: str = SEATTLE, **variables: str) -> Ran:
        given = {"ZAVA_DATABASE_URL": server_conninfo, **variables}
        return zava(tmp_path, "query", "--user", user, *arguments, **given)

    return run


def answered(ran: Ran) -> str:
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_sql_is_answered_with_the_rows_of_the_person_s_stores(ask: Ask) -> None:
    assert answered(ask("--sql", STORES)).splitlines() == [
        "name",
        "Zava Retail Seattle",
    ]
    redmond = answered(ask("--sql", STORES, user=REDMOND))
    assert redmond.splitlines() == ["name", "Zava Retail Redmond"]
    head_office = answered(ask("--sql", STORES, user=regional_manager("Head Office")))
    assert len(head_office.splitlines()) == 1 + 8


def test_metrics_are_answered_as_a_table_and_stderr_says_of_when(ask: Ask) -> None:
    ran = ask(*YEAR, "--compare", "year_before")
    assert ran.returncode == 0, ran.stderr
    heading, *rows = ran.stdout.splitlines()
    assert heading.split()[:3] == ["month", "revenue", "revenue_year_before"]
    assert [row.split()[0] for row in rows] == [f"2025-{n:02}" for n in range(1, 13)]
    # Nothing is folded or grouped away: each figure ends where its heading ends.
    assert {len(row) for row in rows} == {len(heading)}
    first, second = ran.stderr.splitlines()[:2]
    assert "2025-01-01 to 2025-12-31 · data through " in first
    assert second == "year_before: 2024-01-01 to 2024-12-31"


@pytest.mark.once
@pytest.mark.thorough
def test_every_format_holds_the_same_figures(ask: Ask) -> None:
    structured = json.loads(answered(ask(*YEAR, "--format", "json")))
    assert structured["columns"] == ["month", "revenue", "orders"]
    assert structured["row_count"] == len(structured["rows"]) == 12
    text = answered(ask(*YEAR, "--format", "csv"))
    heading, *rows = csv.reader(io.StringIO(text))
    assert heading == structured["columns"]
    assert [[row[0], float(row[1]), int(row[2])] for row in rows] == structured["rows"]
    table = ask(*YEAR).stdout.replace(",", "").splitlines()[1:]
    assert [[float(cell) for cell in row.split()[1:]] for row in table] == [
        row[1:] for row in structured["rows"]
    ]


def test_the_arguments_of_the_metrics_arrive(ask: Ask) -> None:
    ran = ask(
        *("--metrics", "revenue", "--by", "category", "--period", "2025"),
        *("--filter", "category=Plumbing", "--filter", "category=Power Tools"),
        *("--filter", "weekday!=Sunday", "--order-by", "-revenue", "--shares"),
        *("--having", "revenue > 1", "--top", "1", "--store", "Seattle"),
        *("--show-sql", "--format", "csv"),
    )
    assert ran.returncode == 0, ran.stderr
    heading, *rows = csv.reader(io.StringIO(ran.stdout))
    assert heading == ["category", "revenue", "revenue_share"]
    assert {row[0] for row in rows} == {"Power Tools", "others (1)"}
    assert ran.stderr.startswith("WITH ")


@pytest.mark.once
@pytest.mark.thorough
def test_a_query_may_come_from_a_file_or_from_standard_input(
    ask: Ask, server_conninfo: str, tmp_path: Path
) -> None:
    file = tmp_path / "report.sql"
    file.write_text(f"\ufeff-- Straße\n{STORES}\n", "utf-8")
    expected = "name\nZava Retail Seattle\n"
    assert answered(ask("--sql-file", "report.sql")) == expected
    done = subprocess.run(
        [ZAVA, "query", "--user", SEATTLE, "--sql-file", "-"],
        cwd=tmp_path,
        env=environment(ZAVA_DATABASE_URL=server_conninfo),
        input=STORES,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


@pytest.mark.once
@pytest.mark.thorough
def test_an_answer_that_was_cut_says_so_on_stderr(ask: Ask) -> None:
    numbers = "SELECT n FROM generate_series(1, 50) AS n"
    for arguments, variables, remedy in (
        (("--max-rows", "10"), {}, "give a higher --max-rows"),
        ((), {"ZAVA_MAX_ROWS": "10"}, "set a higher ZAVA_MAX_ROWS"),
    ):
        ran = ask("--sql", numbers, *arguments, **variables)
        assert ran.returncode == 0
        assert ran.stdout.splitlines() == [" n", *(f"{n:2}" for n in range(1, 11))]
        assert ran.stderr == f"zava: cut after 10 rows: sum up or filter, or {remedy}\n"
        told = json.loads(
            ask("--sql", numbers, *arguments, "--format", "json", **variables).stdout
        )
        assert told["truncated"] == "max_rows"
        assert "handle" not in told  # no server is left that knows it
    long = "SELECT repeat('x', 900) AS x FROM generate_series(1, 9)"
    ran = ask("--sql", long, "--format", "csv", ZAVA_MAX_RESULT_BYTES="2048")
    assert re.fullmatch(
        r"zava: cut after \d rows: .*ZAVA_MAX_RESULT_BYTES \(it is 2,048\)\n",
        ran.stderr,
    )


@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sql", "DELETE FROM retail.orders"), "[SYNTAX_ERROR]"),
        (("--sql", "SELECT 1; SELECT 2"), "[SYNTAX_ERROR]"),
        (
            ("--sql", f"SELECT set_config('app.current_rls_user_id', '{NIL}', true)"),
            "[INSUFFICIENT_PRIVILEGE]",
        ),
        (("--sql", "TABLE retail.product"), "suggestions: retail.products"),
        (("--sql", "SELECT 1", "--max-rows", "0"), "failed for --max-rows: "),
        (("--metrics", "revenue", "--store", "Redmond"), "[AUTHORIZATION_ERROR]"),
        (("--metrics", "revenu"), "failed for --metrics: "),
        (("--metrics", "revenue", "--period", "soon"), "failed for --period: "),
    ],
)
def test_what_an_assistant_is_refused_is_refused_here_in_one_line(
    ask: Ask, arguments: tuple[str, ...], said: str
) -> None:
    assert said in refusal(ask(*arguments))


def test_an_error_that_quotes_data_is_harmless_in_a_terminal(ask: Ask) -> None:
    line = refusal(
        ask("--sql", r"SELECT (E'\x1b[31m' || name)::int FROM retail.stores")
    )
    assert "\x1b" not in line
    assert r"\x1b[31mZava" in line


def test_nobody_is_served_by_chance(ask: Ask, tmp_path: Path) -> None:
    assert "must be a UUID" in refusal(ask("--sql", "SELECT 1", user="Seattle"))
    assert "no such user" in refusal(
        ask("--sql", "SELECT 1", user="5e0d2f6e-97c1-4f0b-a5b8-0b9c2a1d7e34")
    )
    nobody = zava(tmp_path, "query", "--sql", "SELECT 1", ZAVA_DB_HOST="127.0.0.1")
    assert "nobody to serve" in refusal(nobody)


def test_a_database_that_is_not_there_is_one_line(ask: Ask) -> None:
    url = "postgresql://somebody@127.0.0.1:1/retail"
    refused = refusal(
        ask("--sql", "SELECT 1", ZAVA_DATABASE_URL=url, ZAVA_RETRY_DEADLINE="0")
    )
    assert "Connection refused" in refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of --sql, --sql-file and --metrics"),
        (("--sql", "SELECT 1", "--metrics", "revenue"), "give one of"),
        (("--sql", "SELECT 1", "--by", "month"), "--by is for --metrics"),
        (("--metrics", "revenue", "--filter", "month"), "is not DIMENSION=VALUE"),
        (("--sql-file", "absent.sql"), "No such file"),
    ],
)
def test_a_command_line_that_makes_no_sense_has_status_2(
    ask: Ask, arguments: tuple[str, ...], said: str
) -> None:
    ran = ask(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert said in line


@pytest.mark.once
@pytest.mark.thorough
def test_a_question_is_recorded_as_an_assistant_s_is(ask: Ask, tmp_path: Path) -> None:
    record = {"ZAVA_AUDIT_FILE": "audit.jsonl"}
    answered(ask("--sql", STORES, **record))
    refusal(ask("--sql", "SELECT nothing", **record))
    lines = (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert (first["tool"], first["user_id"]) == ("execute_sales_query", SEATTLE)
    assert (first["rows"], first["outcome"]) == (1, "ok")
    assert second["outcome"] == "UNDEFINED_COLUMN"


@pytest.mark.once
@pytest.mark.thorough
def test_a_chart_is_drawn_without_colours_where_it_is_piped(ask: Ask) -> None:
    for arguments in (("--format", "chart"), ("--chart",), ("--chart", "line")):
        lines = answered(ask(*YEAR, *arguments)).splitlines()
        assert lines[0] == "Revenue, orders by month"
        assert any(line.startswith("revenue (") for line in lines)
        assert any("\u2800" <= c <= "\u28ff" for line in lines for c in line)
        assert not any("\x1b" in line or len(line) > 80 for line in lines)
    plain = answered(ask(*YEAR, "--chart", PYTHONIOENCODING="ascii", PYTHONUTF8="0"))
    assert plain.isascii() or "?" not in plain


@pytest.mark.once
@pytest.mark.thorough
def test_a_form_that_does_not_fit_is_refused(ask: Ask) -> None:
    assert "failed for --chart: " in refusal(ask(*YEAR, "--chart", "heat_map"))
    assert "nothing of this answer" in refusal(ask("--sql", STORES, "--chart"))


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "start"), [("html", b"<!do"), ("png", b"\x89PNG")])
def test_a_file_is_private_and_replaces_none_unasked(
    ask: Ask, tmp_path: Path, kind: str, start: bytes
) -> None:
    file = tmp_path / f"revenue.{kind}"
    ran = ask(*YEAR, f"--{kind}", file.name)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == f"zava: wrote {file.name}\n"
    assert file.read_bytes().startswith(start)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"mine")
    assert "is there already" in refusal(ask(*YEAR, f"--{kind}", file.name))
    assert file.read_bytes() == b"mine"
    assert ask(*YEAR, f"--{kind}", file.name, "--force").returncode == 0
    assert file.read_bytes().startswith(start)
