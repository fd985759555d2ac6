"""Peak memory of the server while it refuses enormous answers.

    python -m bench.memory

Starts a PostgreSQL of its own. Linux only: it reads /proc.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from bench.loaded_database import loaded_database, server_login
from tests.e2e.stdio_process import StdioProcess
from tests.people import SEATTLE

PATIENCE = 600.0
CASES = (
    ("SELECT 1", "SELECT 1"),
    ("10,000 rows", "SELECT n, repeat('x', 20) FROM generate_series(1, 10000) n"),
    ("a cell of 60 MB", "SELECT repeat('x', 60000000)"),
    ("a row of 200 MB", "SELECT " + ", ".join(["repeat('x', 200000)"] * 1000)),
    ("1,000 rows of 250 kB", "SELECT repeat('x', 250000) FROM generate_series(1, 999)"),
    ("a cell of 300 MB", "SELECT repeat('x', 300000000)"),
    ("a cell of 1 GB", "SELECT repeat('x', 1000000000)"),
)


def peak_megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1]) // 1024


def main() -> None:
    with (
        loaded_database() as server,
        tempfile.TemporaryDirectory() as folder,
        StdioProcess(
            SEATTLE,
            Path(folder),
            {
                "ZAVA_DATABASE_URL": server_login(server),
                "ZAVA_LOG_LEVEL": "ERROR",
                "ZAVA_STATEMENT_TIMEOUT": "600",
            },
        ) as process,
    ):
        process.initialize()
        print(f"{'after':24} {'peak MB':>8}  answer")
        for name, sql in CASES:
            arguments = {"postgresql_query": sql, "max_rows": 1000}
            request_id = process.ask_tool("execute_sales_query", **arguments)
            answer = process.receive(request_id, PATIENCE)["result"]
            text = answer["content"][0]["text"]
            said = text.split("]")[0] + "]" if answer.get("isError") else "rows"
            print(f"{name:24} {peak_megabytes(process.process.pid):8}  {said}")


if __name__ == "__main__":
    main()
