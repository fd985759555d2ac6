"""Folders that a server's own user can enter, in memory where there is some."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = "/dev/shm"  # noqa: S108 - a mount, not a file
_ROOM = 2 * 1024**3  # bytes: what two runs take; a container may have little


def make_folder(*, for_programs: bool = False) -> Path:
    """Make a folder for a cluster; whoever asked for it removes it.

    It is not pytest's own, which as root the server's user could not enter. In
    memory a database is cloned and dropped in half the time, and a server that
    syncs waits for no disk.

    Args:
        for_programs: Whether programs have to run from there.
    """
    where = _MEMORY if _has_memory(for_programs=for_programs) else None
    folder = Path(tempfile.mkdtemp(prefix="zava-test-", dir=where))
    folder.chmod(0o755)
    return folder


def _has_memory(*, for_programs: bool) -> bool:
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return False
    return not (for_programs and os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC)
