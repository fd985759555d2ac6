"""The installed `zava` command, run as a person would."""

from __future__ import annotations

import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tests.e2e.forking import ForkedProcess, is_forkable
from tests.e2e.stdio_process import environment

ZAVA = Path(sysconfig.get_path("scripts")) / "zava"
PATIENCE = 240  # seconds; only a hanging test takes them

Ran = subprocess.CompletedProcess[str]


def zava(folder: Path, *arguments: str, **variables: str) -> Ran:
    """Run `zava` in a working directory, with these variables and no settings else."""
    if is_forkable(variables):
        process = ForkedProcess(arguments, folder, environment(**variables))
        process.stdin.close()
        with ThreadPoolExecutor(2) as readers:
            stdout, stderr = readers.map(_read, (process.stdout, process.stderr))
        return Ran(arguments, process.wait(PATIENCE), stdout, stderr)
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


def _read(pipe: IO[bytes]) -> str:
    with pipe:
        return pipe.read().decode()


def refusal(ran: Ran) -> str:
    """Return the one line that a refused command prints."""
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("zava: ")
    return line
