"""Whether readers of the totals are exact while everybody writes and refreshes.

    python -m bench.exactness --minutes 20 --postgres 16

A small chain is written to by several sessions at every isolation level: orders and
lines that come, change, move to another day, store or customer and go; COPY; TRUNCATE;
transactions and subtransactions that roll back. Others refresh the totals, and some of
these refreshes are killed halfway. Meanwhile readers compare the totals with what the
orders add up to, in one snapshot. The exit status is 1 if one comparison fails.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import errors

from tests.integration.test_sales_totals import (
    DEFINITIONS,
    OF_HEAD_OFFICE,
    REFRESH,
    STATEMENTS,
    bind_to_head_office,
    claim_identity,
    differences,
    draw,
    make_small,
)
from zava.admin.embedded import EmbeddedServer, find_binary

ROOT = Path(__file__).parent.parent
ISOLATION = ("READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE")
RETRIED = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.ForeignKeyViolation,
    errors.UniqueViolation,
)
COPY = "COPY retail.orders (customer_id, store_id, order_date, total_amount) FROM STDIN"
TRUNCATE = "TRUNCATE retail.{} CASCADE"


class Shop:
    """What the threads share."""

    def __init__(self, conninfo: str, minutes: float) -> None:
        self.conninfo = conninfo
        self.until = time.monotonic() + 60 * minutes
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def is_open(self) -> bool:
        return time.monotonic() < self.until and not self.wrong

    def connect(self, isolation: str) -> psycopg.Connection:
        conn = psycopg.connect(self.conninfo)
        conn.isolation_level = psycopg.IsolationLevel[isolation]
        return conn


def main() -> int:
    """Write, refresh and compare for some minutes; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--postgres", type=int, default=18, choices=(16, 18))
    parser.add_argument("--writers", type=int, default=6)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zava-exactness-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(
            folder, version=options.postgres, options={"deadlock_timeout": "50ms"}
        ) as server:
            conninfo = server.conninfo(dbname="postgres", user="postgres")
            load(conninfo, options.postgres)
            shop = Shop(conninfo, options.minutes)
            run(shop, options.writers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for what, times in sorted(shop.done.items()):
        print(f"{what}: {times:,}")
    print("\n".join(shop.wrong[:3]) or "wrong: 0")
    return 1 if shop.wrong else 0


def load(conninfo: str, version: int) -> None:
    command = [str(find_binary("psql", version)), "-X", "-q", "-o", "/dev/null"]
    command += ["-d", conninfo, "-v", "ON_ERROR_STOP=1", "-v", "scale=0.002"]
    command += ["-v", "as_of=2026-06-30", "-f", "schema.sql", "-f", "seed/seed.sql"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with psycopg.connect(conninfo) as conn:
        make_small(conn)
        bind_to_head_office(conn)
        for n in range(5):
            conn.execute(
                STATEMENTS["orders and items at once"],
                draw(random.Random(n)),  # noqa: S311 - likewise
            )


def run(shop: Shop, writers: int) -> None:
    """Run every thread to its end."""
    work: list[tuple[Callable[[Shop, int], None], int]]
    work = [(write, n) for n in range(writers)]
    work += [(refresh, 0), (refresh, 1), (kill_refreshes, 0), (read, 0), (read, 1)]

    def act_or_tell(act: Callable[[Shop, int], None], number: int) -> None:
        try:
            act(shop, number)
        except BaseException as exc:  # a thread that ends early would prove nothing
            shop.wrong.append(f"{act.__name__}: {exc!r}")
            raise

    threads = [threading.Thread(target=act_or_tell, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with shop.connect("REPEATABLE_READ") as conn:
        compare(shop, conn, "in the end")


def write(shop: Shop, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - a load, no secret
    conn = shop.connect(ISOLATION[number % 3])
    while shop.is_open():
        try:
            for _ in range(rng.randint(1, 3)):
                write_something(conn, rng)
            if rng.random() < 0.15:
                conn.rollback()
                shop.done["transactions rolled back"] += 1
            else:
                conn.commit()
                shop.done["transactions committed"] += 1
        except RETRIED as exc:
            conn.rollback()
            shop.done[f"refused by {type(exc).__name__}"] += 1
        time.sleep(rng.uniform(0, 0.02))
    conn.close()


def write_something(conn: psycopg.Connection, rng: random.Random) -> None:
    kind = rng.random()
    if kind < 0.004:
        conn.execute(TRUNCATE.format(rng.choice(("orders", "order_items"))).encode())
    elif kind < 0.03:
        buyers = conn.execute(
            "SELECT customer_id::text, store_id::text FROM retail.customers"
        ).fetchall()
        day = f"2026-0{rng.randint(1, 3)}-1{rng.randint(0, 9)} 08:00+00"
        with conn.cursor().copy(COPY) as copy:
            for _ in range(rng.randint(1, 40)):
                copy.write_row((*rng.choice(buyers), day, "3.50"))
    else:
        names = [name for name in STATEMENTS if "customers deleted" not in name]
        with suppress(psycopg.Rollback), conn.transaction():  # a subtransaction
            conn.execute(STATEMENTS[rng.choice(names)].encode(), draw(rng))
            if rng.random() < 0.1:
                raise psycopg.Rollback


def refresh(shop: Shop, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - a load, no secret
    while shop.is_open():
        try:
            with shop.connect(rng.choice(ISOLATION[1:])) as conn:
                conn.execute("SET application_name = 'refresh'")
                conn.execute(REFRESH)
                if rng.random() < 0.1:
                    conn.execute("SELECT retail.refresh_recommendations()")
            shop.done["refreshes"] += 1
        except (errors.LockNotAvailable, *RETRIED) as exc:
            shop.done[f"refresh refused by {type(exc).__name__}"] += 1
        except psycopg.OperationalError:
            shop.done["refreshes killed"] += 1
        time.sleep(rng.uniform(0, 0.3))


def kill_refreshes(shop: Shop, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - a load, no secret
    with psycopg.connect(shop.conninfo, autocommit=True) as conn:
        while shop.is_open():
            time.sleep(rng.uniform(0, 1))
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'refresh' AND state <> 'idle'"
            )


def read(shop: Shop, _number: int) -> None:
    with shop.connect("REPEATABLE_READ") as conn:
        while shop.is_open():
            try:
                compare(shop, conn, f"after {sum(shop.done.values())} acts")
                conn.commit()
            except errors.DeadlockDetected:  # with a TRUNCATE of the other table
                conn.rollback()
                shop.done["reads refused by DeadlockDetected"] += 1


def compare(shop: Shop, conn: psycopg.Connection, when: str) -> None:
    # TRUNCATE empties a table for older snapshots too: no snapshot before the lock.
    conn.execute("LOCK TABLE retail.orders, retail.order_items IN ACCESS SHARE MODE")
    claim_identity(conn)
    found = differences(conn, {**DEFINITIONS, **OF_HEAD_OFFICE})
    shop.done["snapshots compared"] += 1
    if found:
        shop.wrong.append(f"wrong {when}: {found}")


if __name__ == "__main__":
    sys.exit(main())
