"""Faults of the database are nobody's wrong answer; bench/fault_run.py at length."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.e2e.stdio_process import environment

NO_FAULT = (
    "call without an answer: 0",
    "not recovered at the end: 0",
    "wrong or foreign rows: 0",
)


@pytest.mark.acceptance("A114", "A116", "D3", "D13")
@pytest.mark.once
@pytest.mark.thorough
def test_callers_get_the_truth_or_a_code_while_the_database_comes_and_goes(
    pg_version: int,
) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "bench/fault_run.py", "--seconds", "6"),
            *("--postgres", str(pg_version)),
        ],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert set(NO_FAULT) <= set(lines)
    assert {"restarts: 2", "refusals: 1"} <= set(lines)
    assert int(re.findall(r"^connections killed: (\d+)$", ran.stdout, re.M)[0]) > 0
    assert int(re.findall(r"^answered: (\d+)$", ran.stdout, re.M)[0]) > 0
