"""The folder of exports: what is refused, what a file is called, what stays."""

from __future__ import annotations

import errno
import os
import stat
from datetime import datetime
from pathlib import Path

import pytest

from zava.errors import ConfigurationError, ExportError
from zava.infra.export_folder import ExportFolder, WrittenFile, export_folder, file_stem
from zava.settings import Settings

NOW = datetime(2026, 11, 26, 22, 0, 41)
STAMP = "20261126-220041"


def nothing(_size: int) -> None:
    """Let everything be written."""


def written(
    folder: ExportFolder, content: bytes = b"x", stem: str = "a"
) -> WrittenFile:
    with folder.draft(nothing) as draft:
        draft.file.write(content)
        return draft.publish(stem, "csv")


@pytest.fixture
def folder(tmp_path: Path) -> ExportFolder:
    return ExportFolder(tmp_path / "documents" / "zava", 3600)


@pytest.mark.parametrize(
    ("hint", "stem"),
    [
        ("Late orders", "Late-orders"),
        ("Größe 5", "Größe-5"),
        ("../../etc/passwd", "etc-passwd"),
        ("/root/.ssh/id", "root-ssh-id"),
        ("C:\\x.exe", "C-x-exe"),
        ("a\0b\nc", "a-b-c"),
        ("\u202egnp.exe", "gnp-exe"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("", "export"),
        ("…", "export"),
        ("=cmd()", "cmd"),
        ("n" * 500, "n" * 60),
    ],
)
def test_a_name_is_what_is_left_of_the_hint_and_the_time(hint: str, stem: str) -> None:
    assert file_stem(hint, NOW) == f"{stem}-{STAMP}"


def test_a_name_of_wide_letters_fits_any_file_system() -> None:
    assert len(file_stem("\U00020000" * 200, NOW).encode()) < 200


def test_folder_and_file_are_the_person_s_alone(folder: ExportFolder) -> None:
    file = written(folder, b"content")
    assert file.path.read_bytes() == b"content"
    assert file.size == 7
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert os.listdir(folder.path) == ["a.csv"]


def test_nothing_is_overwritten(folder: ExportFolder) -> None:
    names = [written(folder, str(n).encode()).path for n in range(3)]
    assert [path.name for path in names] == ["a.csv", "a-2.csv", "a-3.csv"]
    assert [path.read_text("utf-8") for path in names] == ["0", "1", "2"]


def test_a_link_in_the_place_of_the_file_is_not_followed(
    folder: ExportFolder, tmp_path: Path
) -> None:
    written(folder, stem="first")
    target = tmp_path / "target"
    (folder.path / "a.csv").symlink_to(target)
    assert written(folder).path.name == "a-2.csv"
    assert not target.exists()


def test_a_file_that_is_not_published_does_not_stay(folder: ExportFolder) -> None:
    with pytest.raises(KeyboardInterrupt), folder.draft(nothing) as draft:
        draft.file.write(b"x")
        (draft.folder / "temporary").write_bytes(b"y")
        raise KeyboardInterrupt
    assert os.listdir(folder.path) == []
    assert draft.file.write(b"torn down") == 9


def test_a_full_disk_is_said_and_leaves_nothing(folder: ExportFolder) -> None:
    with (
        pytest.raises(ExportError, match="no room on the disk"),
        folder.draft(nothing) as draft,
    ):
        draft.file.write(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(folder.path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_write_that_the_system_refuses_is_said(
    folder: ExportFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with (
        pytest.raises(ExportError, match="no room on the disk"),
        folder.draft(nothing) as draft,
    ):
        os.dup2(full, draft.file._descriptor)
        draft.file.write(b"x")
    os.close(full)
    assert os.listdir(folder.path) == []


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "zava").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="it is a link"):
        written(ExportFolder(tmp_path / "zava", 3600))
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_folder_that_others_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zava").mkdir()
    (tmp_path / "zava").chmod(0o777)
    with pytest.raises(ConfigurationError, match="others may write there"):
        written(ExportFolder(tmp_path / "zava", 3600))


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zava").write_text("x", "utf-8")
    with pytest.raises(ConfigurationError, match="it is not a folder"):
        written(ExportFolder(tmp_path / "zava", 3600))
    with pytest.raises(ConfigurationError, match="cannot be made"):
        written(ExportFolder(tmp_path / "zava" / "below", 3600))


def test_what_a_killed_process_has_left_goes_later(folder: ExportFolder) -> None:
    written(folder)
    old, new = (folder.path / f".zava-{n * 16}.part" for n in "ab")
    for left in (old, new):
        left.mkdir()
        (left / "content").write_bytes(b"x")
    os.utime(old, (0, 0))
    other = folder.path / ".other.part"
    other.mkdir()
    os.utime(other, (0, 0))
    written(folder)
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_a_file_that_was_replaced_is_not_read(folder: ExportFolder) -> None:
    file = written(folder, b"ours")
    assert folder.read(file, 4) == b"ours"
    with pytest.raises(ExportError, match="more than 3 bytes"):
        folder.read(file, 3)
    other = file.path.with_name("other")
    other.write_bytes(b"theirs")
    other.replace(file.path)
    with pytest.raises(ExportError, match="taken the place"):
        folder.read(file, 100)
    file.path.unlink()
    file.path.symlink_to("/etc/passwd")
    with pytest.raises(ExportError, match="not there any more"):
        folder.read(file, 100)


def test_the_check_sees_the_size_before_each_write(folder: ExportFolder) -> None:
    sizes: list[int] = []
    with folder.draft(sizes.append) as draft:
        draft.file.write(b"12345")
        draft.file.seek(0)
        draft.file.write(b"ab")
        draft.file.seek(0, os.SEEK_END)
        draft.file.write(b"6")
        file = draft.publish("a", "csv")
    assert sizes == [5, 5, 6]
    assert file.path.read_bytes() == b"ab3456"


def test_the_folder_is_in_the_documents_unless_it_is_set(tmp_path: Path) -> None:
    assert export_folder(Settings.load()).name == "zava"
    assert export_folder(Settings.load(export_dir=tmp_path)) == tmp_path
