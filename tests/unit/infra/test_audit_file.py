"""The audit file: lines that are whole, private and never lost in silence."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE
from zava.errors import ConfigurationError
from zava.infra.audit_file import AuditFile

if sys.platform != "win32":
    import fcntl


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(path: Path) -> Iterator[AuditFile]:
    file = AuditFile(path)
    file.open()
    yield file
    file.close()


def entries(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_an_entry_is_one_line_whatever_it_holds(audit: AuditFile, path: Path) -> None:
    given: list[dict[str, Any]] = [
        {"a": 1, "b": None},
        {"text": "two\nlines \u2028 \x85 \x00"},
    ]
    for entry in given:
        audit.write(entry)
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == given
    assert lines[-1] == b""


def test_the_file_is_for_its_owner_alone(audit: AuditFile, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_continued(path: Path) -> None:
    path.write_text('{"before":1}\n', "utf-8")
    path.chmod(0o640)
    file = AuditFile(path, sync=True)
    file.open()
    file.write({"after": 2})
    file.close()
    assert entries(path) == [{"before": 1}, {"after": 2}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_was_renamed_is_made_anew(audit: AuditFile, path: Path) -> None:
    audit.write({"n": 1})
    rotated = path.with_suffix(".1")
    path.rename(rotated)
    audit.write({"n": 2})
    path.unlink()
    audit.write({"n": 3})
    assert entries(rotated) == [{"n": 1}]
    assert entries(path) == [{"n": 3}]


def test_lines_of_many_threads_and_files_stay_whole(path: Path) -> None:
    files = [AuditFile(path) for _ in range(4)]
    gate = threading.Barrier(len(files))

    def write(number: int, file: AuditFile) -> None:
        gate.wait()
        for line in range(200):
            file.write({"file": number, "line": line, "text": "x" * 2000})

    threads = [threading.Thread(target=write, args=each) for each in enumerate(files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in files:
        file.close()
    found = [(entry["file"], entry["line"]) for entry in entries(path)]
    assert sorted(found) == [(file, line) for file in range(4) for line in range(200)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")
@pytest.mark.parametrize("kind", ["folder", "no-such-folder", "fifo", "device"])
def test_a_path_that_cannot_be_written_is_refused_at_once(
    path: Path, kind: str
) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "no-such-folder":
        path = path / "below"
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path(os.devnull)
    with pytest.raises(ConfigurationError, match="ZAVA_AUDIT_FILE") as caught:
        AuditFile(path).open()
    assert str(path.parent) not in caught.value.message


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
def test_another_user_s_file_is_refused(path: Path) -> None:
    path.touch(0o600)
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigurationError, match=r"ZAVA_AUDIT_FILE .* another user"):
        AuditFile(path).open()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_whoever_holds_the_file_s_lock_for_ever_keeps_no_call_waiting(
    path: Path,
) -> None:
    file = AuditFile(path, patience=0.01)
    with path.open("wb") as other:
        path.chmod(0o600)
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            file.write({"n": 1})
    file.write({"n": 2})
    file.close()
    assert entries(path) == [{"n": 2}]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_line_that_was_cut_is_an_error_and_spoils_no_other(path: Path) -> None:
    body = """
import resource, signal, sys
from pathlib import Path
from zava.infra.audit_file import AuditFile

if sys.platform != "win32":
    import fcntl
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = AuditFile(Path(sys.argv[1]))
file.write({"n": 1})
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
for _ in range(2):
    try:
        file.write({"text": "x" * 100})
    except OSError:
        print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
file.write({"n": 2})
"""
    done = subprocess.run(
        [sys.executable, "-c", body, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["refused", "refused"]
    first, torn, last = path.read_text("utf-8").splitlines()
    assert (json.loads(first), json.loads(last)) == ({"n": 1}, {"n": 2})
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(torn)


@pytest.mark.parametrize("kind", ["link", "writable-by-all", "writable-by-group"])
def test_a_file_that_somebody_else_may_have_laid_there_is_refused(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "audit.jsonl"
    if kind == "link":
        (tmp_path / "target").write_text("")
        path.symlink_to(tmp_path / "target")
    else:
        path.write_text("")
        path.chmod(0o666 if kind == "writable-by-all" else 0o620)
    with pytest.raises(ConfigurationError, match="ZAVA_AUDIT_FILE"):
        AuditFile(path).open()


def test_a_line_that_another_process_tore_is_ended_by_whoever_appends_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    first, second = AuditFile(path), AuditFile(path)
    first.open()
    second.open()
    first.write({"who": "A"})
    with path.open("ab") as torn:
        torn.write(b'{"who":"A')
    second.write({"who": "B"})
    first.write({"who": "A"})
    first.close()
    second.close()
    lines = path.read_text().splitlines()
    assert lines == ['{"who":"A"}', '{"who":"A', '{"who":"B"}', '{"who":"A"}']
