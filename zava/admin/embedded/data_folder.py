"""The data folder of a cluster: who may be in it, and who is.

Owns the names in the folder, the two locks, the log, and running a program in
it as the user that the cluster belongs to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zava.admin.embedded.installation import (
    ACCOUNT,
    binaries_in,
    copy_binaries,
    find_binary,
    service_account,
    wheel_version,
)
from zava.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

_LOG_BYTES: Final = 10_000_000
_WATCHER: Final = Path(__file__).with_name("watcher.py")


class DataFolder:
    """The folder in which one cluster, its locks and its log live.

    Args:
        path: The folder; `prepare` creates it when missing.
        version: The major version, whose names are its own in the folder.

    Raises:
        ConfigurationError: No such version, or not on this system.
    """

    def __init__(self, path: Path, version: int) -> None:
        self.path = path.absolute()
        self.cluster = self.path / f"postgresql-{version}"
        self._version = version
        self._installed = find_binary("postgres", version).parent
        self._binaries = self._installed
        self._account: pwd.struct_passwd | None = None
        self._share: int | None = None
        self._log = self.cluster.with_suffix(".log")
        self._log_start = 0

    def prepare(self) -> None:
        """Create what is missing, leave alone what is there, and find the user.

        Raises:
            ConfigurationError: There is no user for PostgreSQL to run as.
        """
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        for path in reversed(missing):
            with suppress(FileExistsError):  # another process was faster
                path.mkdir()
                path.chmod(0o755 if os.geteuid() == 0 else 0o700)
        self._account = service_account()

    # Locks. Both files stay for ever: an unlinked lock file locks nobody out.

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only process that starts or stops the server."""
        lock = self._open(".turn")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @property
    def has_cluster(self) -> bool:
        """Whether there is one, as far as this user may see."""
        return self.cluster.exists()

    @property
    def has_share(self) -> bool:
        """Whether this object holds a share of the server."""
        return self._share is not None

    def take_share(self) -> None:
        """Hold a share, if it is not held already; within a turn."""
        if self._share is None:
            self._share = self._open(".users")
            fcntl.flock(self._share, fcntl.LOCK_SH)

    def has_last_share(self) -> bool:
        """Whether nobody else holds one.

        Within a turn, because flock converts in two steps.
        """
        if self._share is None:
            return False
        try:
            fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._share, fcntl.LOCK_SH)
        return True

    def drop_share(self) -> None:
        """Give the share up, if there is one."""
        share, self._share = self._share, None
        if share is not None:
            fcntl.flock(share, fcntl.LOCK_UN)  # also for a fork that shares it
            os.close(share)

    def _open(self, suffix: str, flags: int = os.O_RDWR) -> int:
        path = f"{self.cluster}{suffix}"
        flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC  # not for PostgreSQL
        return os.open(path, flags, 0o600)

    # What is made in the folder, and removed from it, always within a turn.

    @contextmanager
    def workshop(self, name: str) -> Iterator[Path]:
        """Yield a folder in which something is made before it gets its `name`.

        So whatever has its name is complete. What a killed process left is never
        used, because a child of that process may still be at work in it.
        """
        with tempfile.TemporaryDirectory(
            prefix=f"{name}.new-", dir=self.path, ignore_cleanup_errors=True
        ) as folder:
            yield self.hand_over(Path(folder))

    def remove_leftovers(self) -> None:
        """Remove the workshops of killed processes."""
        for leftover in self.path.glob(f"*-{self._version}*.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def make_reachable(self) -> None:
        """See to it that the service user reaches the folder and the binaries.

        Raises:
            ConfigurationError: It cannot enter the folder.
        """
        if self._account is None:
            return
        if self.run("/bin/sh", "-c", 'cd "$0"', str(self.path)) != 0:
            raise unusable(f"the system user {ACCOUNT} cannot enter it")
        self._binaries = self._installed  # a copy may be gone since the last start
        with suppress(PermissionError):
            if self.run("postgres", "--version") == 0:
                return
        copy = self._copy()
        if not copy.exists():
            with self.workshop(copy.name) as folder:
                copy_binaries(self._installed, folder / "tree")
                os.rename(folder / "tree", copy)
        self._binaries = binaries_in(copy, self._version)

    def remove_old_copies(self) -> None:
        """Remove the copies of other wheels' binaries, where one of ours is used.

        Only while no server runs, which might load more from them; and not while
        others hold a share, who may be processes with such a wheel.
        """
        if self._binaries == self._installed or not self.has_last_share():
            return
        for copy in self.path.glob(f"bin-{self._version}-*"):
            if copy != self._copy():
                # Not half a copy under that name, should we be killed meanwhile.
                with suppress(OSError), self.workshop(copy.name) as folder:
                    os.rename(copy, folder / "tree")

    def _copy(self) -> Path:
        return self.path / f"bin-{self._version}-{wheel_version()}"

    # The user, and running things.

    @property
    def uid(self) -> int:
        """Whom the cluster belongs to."""
        return os.geteuid() if self._account is None else self._account.pw_uid

    def hand_over(self, folder: Path) -> Path:
        """Give a new folder to whom the cluster belongs to."""
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        return folder

    def run(
        self,
        *argv: str,
        cwd: Path | None = None,
        logged: bool = False,
        before: tuple[str, ...] = (),
    ) -> int:
        """Run one of the binaries as whom the cluster belongs to.

        No pipes, which PostgreSQL would keep open; a session of its own, so that
        Ctrl-C in the terminal is not for it; and nothing of our environment.

        Returns:
            Its exit code.
        """
        output = subprocess.DEVNULL
        if logged:
            output = self._open(".log", os.O_WRONLY | os.O_APPEND)
        try:
            return subprocess.run(  # noqa: S603
                # An absolute name stays.
                (*before, self._binaries / argv[0], *argv[1:]),
                cwd=cwd or self.path,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self._account and self._account.pw_uid,
                group=self._account and self._account.pw_gid,
                extra_groups=self._account and [],
                check=False,
            ).returncode
        finally:
            if logged:
                os.close(output)

    def watch(self) -> None:
        """Start what stops the server when nobody holds a share any more.

        Whoever gives up the last share stops it; a killed process does not.
        """
        # In the background of a shell that ends: it is nobody's child to wait for.
        subprocess.run(  # noqa: S603
            (
                *("/bin/sh", "-c", '"$0" "$@" &'),
                *(sys.executable, "-I", "-S", str(_WATCHER), str(self.cluster)),
            ),
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=False,
        )

    # The log.

    def mark_log(self) -> None:
        """Let `said` begin here."""
        self._log_start = self._log.stat().st_size if self._log.exists() else 0

    def said(self) -> str:
        """What the log got since it was marked."""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def turn_over_log(self) -> None:
        """Begin a new log after a long one, which replaces the one before it.

        Only while no server runs, which would go on writing to the old one.
        """
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            os.replace(self._log, f"{self._log}.1")
            self._log_start = 0


def unusable(why: str) -> ConfigurationError:
    """Return the error for a data folder that is no good."""
    return ConfigurationError(
        f"the data folder cannot be used ({why}): mend that, or set "
        "ZAVA_DATA_DIR to another folder"
    )
