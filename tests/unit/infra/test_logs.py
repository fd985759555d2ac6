"""The log: where lines go, what they look like, what never stands in them."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from zava.infra.log_file import SharedLogFile
from zava.infra.logs import set_up_logging

SECRET = "hunter2"
QUIET = ("mcp", "psycopg", "psycopg.pool", "httpx", "openai", "asyncio")


def to_stderr(line: str) -> None:
    sys.stderr.write(line)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Give loguru and the standard library back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    logger.remove()
    logger.configure(patcher=lambda _record: None)
    logger.add(to_stderr)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, of_name in levels.items():
        logging.getLogger(name).setLevel(of_name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "mcp_server.log"


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def crash(text: str) -> None:
    """Log an exception with its traceback."""
    try:
        raise LookupError(text)
    except LookupError:
        logger.exception("crashed")


@pytest.mark.acceptance("A42", "A43", "D27")
def test_a_line_carries_time_name_level_message_and_facts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("INFO", "text", None)
    logger.bind(rows=3, nothing=None, user="jane").info("op")
    out, err = capsys.readouterr()
    assert out == ""
    pattern = (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} - [\w.]*test_logs - INFO - op"
        r" rows=3 user=jane\n"
    )
    assert re.fullmatch(pattern, err)


def test_a_json_line_carries_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json", None)
    logger.bind(rows=3, nothing=None, path=Path("x")).warning("two\nlines {x}")
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = json_lines(err)
    assert line.pop("time")
    assert line.pop("name").endswith("test_logs")
    assert line == {
        "level": "WARNING",
        "message": "two\nlines {x}",
        "rows": 3,
        "nothing": None,
        "path": "x",
    }


@pytest.mark.acceptance("A44")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_file_gets_the_lines_that_stderr_gets(
    capsys: pytest.CaptureFixture[str], file: Path, form: Any
) -> None:
    set_up_logging("INFO", form, file)
    logger.bind(rows=3).info("first <b>{}</b>", "{x}")
    crash("gone")
    logger.complete()
    text = file.read_text()
    assert text == capsys.readouterr().err
    assert "first <b>{x}</b>" in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_for_stderr_and_file_is_made_once(file: Path, form: Any) -> None:
    class Fact:
        def __init__(self) -> None:
            self.read = 0

        def __str__(self) -> str:
            self.read += 1
            return "said"

    fact = Fact()
    set_up_logging("INFO", form, file)
    logger.bind(fact=fact).info("op")
    logger.complete()
    assert "said" in file.read_text()
    assert fact.read == 1


def test_a_line_below_the_level_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("WARNING", "text", None)
    logger.info("ours")
    logging.getLogger("theirs").info("theirs")
    assert capsys.readouterr().err == ""


def test_setting_up_twice_does_not_double_the_lines(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    for _ in range(2):
        set_up_logging("INFO", "text", file)
    logger.info("once")
    logging.getLogger("theirs").error("once")
    assert capsys.readouterr().err.count("once") == 2
    assert file.read_text().count("once") == 2


def test_a_long_file_is_rotated_and_the_oldest_are_removed(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(8):
        # Each start finds a file that has grown to the limit.
        file.write_bytes(b"x " * 5_500_000)
        set_up_logging("INFO", "text", file)
        logger.info("one line more")
    logger.remove()
    capsys.readouterr()
    files = list(file.parent.iterdir())
    assert file in files
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode)} == {0o600}


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_logged_passes_for_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up_logging("INFO", "json" if form == "json" else "text", None)
    forged = "x\n2026-11-26 02:00:00.000 - zava - INFO - all is well\x1b[31m\u2028"
    try:
        raise LookupError(forged)
    except LookupError as exc:
        logger.bind(**{forged: forged, "long": "y" * 3_000_000}).opt(
            exception=exc
        ).info("{}", forged)
    text = capsys.readouterr().err
    assert "\x1b" not in text
    assert len(text) < 10_000
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("2026-11-26 02:00")] == []
    assert len([line for line in lines if not line.startswith("    ")]) == 1


def test_two_processes_share_a_file_and_rotate_it_once(tmp_path: Path) -> None:
    file = tmp_path / "mcp_server.log"
    writers = [SharedLogFile(file, rotate_at=1000) for _ in range(2)]
    for number in range(60):
        record = logging.LogRecord(
            "x", 20, "", 0, f"{number:04} {'z' * 40}\n", (), None
        )
        writers[number % 2].emit(record)
    for writer in writers:
        writer.close()
    kept = sorted(tmp_path.iterdir())
    lines = [line for path in kept for line in path.read_text().splitlines()]
    assert sorted(line[:4] for line in lines) == [f"{n:04}" for n in range(60)]
    assert [path.name for path in kept] == [
        "mcp_server.log",
        "mcp_server.log.1",
        "mcp_server.log.2",
    ]


def test_a_pipe_that_nobody_reads_is_a_warning_and_no_wait(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    set_up_logging("INFO", "text", tmp_path / "pipe.log")
    assert "ZAVA_LOG_FILE" in capsys.readouterr().err


def test_a_file_that_can_no_longer_be_written_is_said_once_without_a_traceback(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    set_up_logging("INFO", "text", file)
    logger.info("first")
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("a file where the folder was")
    logger.info("second")
    logger.info("third")
    err = capsys.readouterr().err
    assert err.count("ZAVA_LOG_FILE") == 1
    assert "Traceback" not in err
    assert "third" in err
    file.parent.unlink()
    file.parent.mkdir()
    logger.info("fourth")
    assert "fourth" in file.read_text()


def test_braces_in_the_name_of_the_file_are_braces(tmp_path: Path) -> None:
    file = tmp_path / "{store}{}.log"
    set_up_logging("INFO", "text", file)
    logger.info("here")
    logger.remove()
    assert "here" in file.read_text()


@pytest.mark.parametrize("where", ["parent", "itself"])
def test_a_file_that_cannot_be_written_is_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, where: str
) -> None:
    obstacle = tmp_path / "obstacle"
    if where == "parent":
        obstacle.write_text("a file where a folder should be")
        set_up_logging("INFO", "json", obstacle / "mcp_server.log")
    else:
        obstacle.mkdir()
        set_up_logging("INFO", "json", obstacle)
    logger.info("goes on")
    warning, line = json_lines(capsys.readouterr().err)
    assert warning["level"] == "WARNING"
    assert warning["message"].startswith("no log file, it cannot be written")
    assert str(tmp_path) not in warning["message"]
    assert line["message"] == "goes on"


def test_without_stderr_the_file_alone_is_written(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    set_up_logging("INFO", "text", file)
    logger.info("kept")
    assert "kept" in file.read_text()


def test_the_loggers_of_the_standard_library_are_routed_into_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("INFO", "json", None)
    logging.getLogger("theirs").warning("%s of %s {x} <red>", 1, 2)
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("theirs").exception("failed")
    plain, failed = json_lines(capsys.readouterr().err)
    assert (plain["level"], plain["message"]) == ("WARNING", "1 of 2 {x} <red>")
    assert plain["name"].endswith("test_logs")
    assert failed["level"] == "ERROR"
    assert "LookupError: gone" in failed["exception"]


@pytest.mark.parametrize("name", ["mcp.server", "httpx", "openai._base", "asyncio"])
def test_a_chatty_library_is_heard_from_warning_on(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    set_up_logging("DEBUG", "json", None)
    logging.getLogger(name).info("chat")
    logging.getLogger(name).warning("trouble")
    messages = [line["message"] for line in json_lines(capsys.readouterr().err)]
    assert messages == ["trouble"]


def test_a_level_that_has_no_name_does_not_fail_whoever_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("INFO", "text", None)
    logging.getLogger("theirs").log(25, "in between")
    assert "in between" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"postgresql://zava:{SECRET}@db/zava", id="uri"),
        pytest.param(f"password={SECRET}", id="password"),
        pytest.param(f"Bearer {SECRET}", id="bearer"),
    ],
)
def test_no_secret_passes(
    capsys: pytest.CaptureFixture[str], file: Path, form: Any, text: str
) -> None:
    set_up_logging("DEBUG", form, file)
    logger.info(text)
    logger.info("{}", text)
    logger.bind(fact=text).info("with a fact")
    logging.getLogger("theirs").error("theirs: %s", text)
    written = capsys.readouterr().err + file.read_text()
    assert written.count("***") == 8
    assert SECRET not in written


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(
            "text",
        ),
        "json",
    ],
)
def test_no_secret_passes_in_a_traceback(
    capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    set_up_logging("INFO", form, None)
    crash(f"cannot connect to postgresql://zava:{SECRET}@db/zava")
    err = capsys.readouterr().err
    assert "LookupError" in err
    assert SECRET not in err


def test_no_secret_passes_inside_a_fact(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json", None)
    logger.bind(fact={"url": f"postgresql://zava:{SECRET}@db"}).info("nested")
    assert SECRET not in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_values(
    capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    set_up_logging("DEBUG", form, None)
    row = {"email": "jane@example.com"}
    try:
        row["phone"]
    except KeyError:
        logger.exception("crashed")
    err = capsys.readouterr().err
    assert "KeyError: 'phone'" in err
    assert "jane" not in err


def test_a_traceback_in_json_stays_in_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("INFO", "json", None)
    crash("gone {x}")
    logger.opt(exception=True).error("no exception at hand")
    crashed, plain = json_lines(capsys.readouterr().err)
    assert crashed["exception"].startswith("Traceback")
    assert "LookupError: gone {x}" in crashed["exception"]
    assert "exception" not in plain
