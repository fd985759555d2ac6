"""The installed `zava` command, run as a person would."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

from tests.e2e.stdio_process import environment

ZAVA = Path(sysconfig.get_path("scripts")) / "zava"
PATIENCE = 240  # seconds; only a hanging test takes them

Ran = subprocess.CompletedProcess[str]


def zava(folder: Path, *arguments: str, **variables: str) -> Ran:
    """Run `zava` in a working directory, with these variables and no settings else."""
    return subprocess.run(
        [ZAVA, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )


def refusal(ran: Ran) -> str:
    """Return the one line that a refused command prints."""
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("zava: ")
    return line
