"""Files that nobody else reads: written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from zava.errors import ConfigurationError

_PRIVATE = 0o600


def write_file(path: Path, raw: bytes, *, overwrite: bool) -> None:
    """Write a private file, in the place of another one only if that is wanted.

    Raises:
        ConfigurationError: There is a file already, or none can be written.
    """
    try:
        if overwrite:
            replace_file(path, raw)
            return
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
        try:
            with open(descriptor, "wb") as file:
                file.write(raw)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except FileExistsError as exc:
        raise ConfigurationError(
            f"{path} is there already: name another file, or give --force"
        ) from exc
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be written: {exc.strerror}") from exc


def replace_file(path: Path, raw: bytes, status: os.stat_result | None = None) -> None:
    """Write a file beside `path` and move it there.

    Args:
        path: Where it will be; what is there is replaced.
        raw: What it will hold.
        status: Of the file that gave its mode and owner; None for a private file.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)  # its mode is 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if status is not None:
            with suppress(OSError, AttributeError):  # not everybody may, nor everywhere
                os.chown(written, status.st_uid, status.st_gid)
            written.chmod(stat.S_IMODE(status.st_mode))
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
