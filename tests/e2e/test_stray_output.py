"""Nothing but JSON-RPC reaches the wire, whoever else writes to stdout."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.stdio_process import StdioProcess, poll
from tests.people import SEATTLE

# Python runs this before everything else in the process.
NOISY = """
import atexit, os, subprocess, sys, threading, time

print("printed at import")
atexit.register(print, "printed at exit")

def is_served():
    served = "zava.protocol.stdio" in sys.modules
    return served and os.path.sameopenfile(1, 2) and sys.stdout is sys.stderr

def make_noise():
    while not is_served():
        time.sleep(0.01)
    print("printed while serving", flush=True)
    os.write(1, b"written to descriptor 1\\n")
    subprocess.run(["sh", "-c", "echo said by a child; cat"])
    print("the noise is over")

if "zava" in sys.orig_argv:
    threading.Thread(target=make_noise, daemon=True).start()
"""


def noisy(folder: Path) -> dict[str, str]:
    """Return the variables with which a process makes noise, buffered as usual."""
    (folder / "sitecustomize.py").write_text(NOISY, "utf-8")
    return {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": ""}


def test_prints_at_import_while_serving_by_children_and_at_exit_miss_the_wire(
    server_conninfo: str, tmp_path: Path
) -> None:
    variables = {
        "ZAVA_DATABASE_URL": server_conninfo,
        "ZAVA_LOG_LEVEL": "ERROR",
        **noisy(tmp_path),
    }
    with StdioProcess(SEATTLE, tmp_path, variables) as process:
        process.initialize()
        poll(lambda: "the noise is over" in process.stderr, "the noise is over")
        # The child had no part of our stdin either.
        assert process.query("SELECT 1").structured["rows"] == [[1]]
        process.close_stdin()
        assert process.wait() == 0
        assert process.rest() == []
    for noise in (
        "printed at import",
        "printed while serving",
        "written to descriptor 1",
        "said by a child",
        "printed at exit",
    ):
        assert noise in process.stderr


def test_every_line_on_the_wire_is_a_message(
    server_conninfo: str, tmp_path: Path
) -> None:
    variables = {"ZAVA_DATABASE_URL": server_conninfo, **noisy(tmp_path)}
    with StdioProcess(SEATTLE, tmp_path, variables) as process:
        ids = {process.ask("ping") for _ in range(20)}
        poll(lambda: process.lines.qsize() == len(ids), "every ping is answered")
        process.close_stdin()
        assert process.wait() == 0
        lines = process.rest()
    assert {json.loads(line)["id"] for line in lines} == ids
