"""ExportFolder: the one place where zava writes files for the person served."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import platformdirs
from loguru import logger

from zava.errors import ConfigurationError, ExportError
from zava.settings import Settings

SETTING = "ZAVA_EXPORT_DIR"
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY
_WRITABLE_BY_OTHERS = 0o022
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_DRAFT = re.compile(r"\.zava-[0-9a-f]{16}\.part")
_CONTENT = "content"
# A file system takes names of 255 bytes; the time, a number and the ending come after.
_LONGEST_HINT, _LONGEST_HINT_BYTES = 60, 150
_TRIES = 100
_REMOVALS = 3
# Categories of characters that a name keeps: letters, marks, digits.
_KEPT = ("L", "M", "N")
# What this process is writing. A process that ends without its `finally` clauses
# removes it all the same.
_unfinished: set[Path] = set()


def export_folder(settings: Settings) -> Path:
    """Return the folder for the exports of the person served."""
    chosen = settings.export_dir
    return chosen or platformdirs.user_documents_path() / "zava"


def file_stem(hint: str, now: datetime) -> str:
    """Return a file's name without ending: what is left of a hint, and the time."""
    normal = unicodedata.normalize("NFKC", hint)
    kept = (c if unicodedata.category(c)[0] in _KEPT else " " for c in normal)
    words = "-".join("".join(kept).split())[:_LONGEST_HINT]
    while len(words.encode()) > _LONGEST_HINT_BYTES:
        words = words[:-1]
    return f"{words.strip('-') or 'export'}-{now:%Y%m%d-%H%M%S}"


def remove_unfinished() -> None:
    """Remove what this process is writing, before it ends in the middle of that."""
    for folder in tuple(_unfinished):
        for _ in range(_REMOVALS):
            # Whoever writes may have made another file while the others went.
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


class DraftFile(io.RawIOBase):
    """A file that is being written, and is nobody's yet.

    Args:
        descriptor: Of a new file; closed by this one.
        check: Called before each write with the size that the file will have.
    """

    def __init__(self, descriptor: int, check: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._check = check
        self._position = 0
        self._is_abandoned = False
        self.size = 0

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True

    def seekable(self) -> bool:
        """Say that earlier bytes can be replaced."""
        return True

    def tell(self) -> int:
        """Return where the next byte goes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Choose where the next byte goes."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        self._position = start[whence] + offset
        if not self._is_abandoned:
            os.lseek(self._descriptor, self._position, os.SEEK_SET)
        return self._position

    def write(self, data: object) -> int:
        """Write all of it."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        end = self._position + len(view)
        if not self._is_abandoned:
            self._check(max(self.size, end))
            done = 0
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        self._position = end
        self.size = max(self.size, end)
        return len(view)

    def finish(self) -> None:
        """Close it; what the system has kept back for itself fails here."""
        self._is_abandoned = True
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Close it and take no more: a writer that is torn down may still try."""
        if not self._is_abandoned:
            self._is_abandoned = True
            with suppress(OSError):
                os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of zava's.

    Attributes:
        path: Where it is.
        size: In bytes.
        identity: Device and number, by which a file that was put in its place is known.
    """

    path: Path
    size: int
    identity: tuple[int, int]


class Draft:
    """A folder of one export, which is gone when the export has ended.

    Attributes:
        folder: For temporary files of whoever writes.
        file: What becomes the export.
    """

    def __init__(self, folder: Path, file: DraftFile) -> None:
        self.folder = folder
        self.file = file

    def publish(self, stem: str, ending: str) -> WrittenFile:
        """Give the file its name, next to its folder; nothing is overwritten.

        Raises:
            OSError: It could not be written to its end, or named.
        """
        self.file.finish()
        path = _reserved(self.folder.parent, stem, ending)
        try:
            os.replace(self.folder / _CONTENT, path)
        except BaseException:
            path.unlink()
            raise
        facts = path.stat()
        return WrittenFile(path, facts.st_size, (facts.st_dev, facts.st_ino))


def _reserved(folder: Path, stem: str, ending: str) -> Path:
    """Return the path of a new empty file."""
    for number in range(1, _TRIES + 1):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}.{ending}"
        try:
            os.close(os.open(path, _NEW_FILE, _PRIVATE_FILE))
        except FileExistsError:
            continue
        return path
    raise FileExistsError(errno.EEXIST, "every name of this second is taken")


class ExportFolder:
    """Writes files that are whole or not there, each under a new name.

    A link, another user's folder and one that others may write are refused.

    Args:
        path: The folder; made for its owner alone when the first file is written.
        leftovers_after: Seconds after which an unfinished file cannot be anybody's.
    """

    def __init__(self, path: Path, leftovers_after: float) -> None:
        self.path = path
        self._leftovers_after = leftovers_after

    @contextmanager
    def draft(self, check: Callable[[int], None]) -> Iterator[Draft]:
        """Yield a new file; it stays if it was published, and else nothing does.

        Args:
            check: Called before each write with the size that the file will have.

        Raises:
            ConfigurationError: The folder cannot be used.
            ExportError: The file cannot be written.
        """
        self._make()
        self._sweep()
        folder = self.path / f".zava-{secrets.token_hex(8)}.part"
        file = None
        _unfinished.add(folder)
        try:
            folder.mkdir(_PRIVATE_FOLDER)
            content = folder / _CONTENT
            file = DraftFile(os.open(content, _NEW_FILE, _PRIVATE_FILE), check)
            yield Draft(folder, file)
        except OSError as exc:
            raise _explained(exc) from exc
        finally:
            if file is not None:
                file.abandon()
            shutil.rmtree(folder, ignore_errors=True)
            _unfinished.discard(folder)

    def read(self, written: WrittenFile, max_bytes: int) -> bytes:
        """Return the content of a file that was written here.

        Raises:
            ExportError: It was replaced or removed, or is larger than `max_bytes`.
        """
        try:
            descriptor = os.open(written.path, os.O_RDONLY | _NO_LINK | _BINARY)
        except OSError as exc:
            raise ExportError("this file is not there any more") from exc
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if (facts.st_dev, facts.st_ino) != written.identity:
                raise ExportError("another file has taken the place of this one")
            if facts.st_size > max_bytes:
                raise ExportError(
                    f"this file has more than {max_bytes} bytes: open it from its path"
                )
            return file.read(max_bytes)

    def _make(self) -> None:
        try:
            self.path.mkdir(_PRIVATE_FOLDER, parents=True)
        except FileExistsError:
            pass
        except OSError as exc:
            raise ConfigurationError(
                f"the folder for exports cannot be made: {exc.strerror}; set {SETTING}"
            ) from exc
        fault = _fault(self.path.lstat())
        if fault:
            raise ConfigurationError(f"nothing is exported to {SETTING}: {fault}")

    def _sweep(self) -> None:
        """Remove what processes that were killed have left."""
        with suppress(OSError):
            now = datetime.now().timestamp()
            for entry in os.scandir(self.path):
                if not _DRAFT.fullmatch(entry.name):
                    continue
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if entry.is_dir(follow_symlinks=False) and age > self._leftovers_after:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    logger.warning("an unfinished export of old was removed")


def _fault(facts: os.stat_result) -> str:
    """Why a folder is not taken, "" if it is."""
    if stat.S_ISLNK(facts.st_mode):
        return "it is a link"
    if not stat.S_ISDIR(facts.st_mode):
        return "it is not a folder"
    if sys.platform != "win32":
        if facts.st_uid != os.geteuid():
            return "it belongs to another user"
        if stat.S_IMODE(facts.st_mode) & _WRITABLE_BY_OTHERS:
            return "others may write there: chmod go-w"
    return ""


def _explained(exc: OSError) -> ExportError:
    if exc.errno in _FULL:
        return ExportError(
            "there is no room on the disk for this file, and nothing of it was kept:"
            " free some space, or export fewer rows or columns"
        )
    return ExportError(
        f"the file cannot be written: {exc.strerror or 'unknown reason'}"
    )
