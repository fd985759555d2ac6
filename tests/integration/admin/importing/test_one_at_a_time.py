"""One importer at a time; whatever ends it leaves everything as it was; nobody waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.integration.admin.importing.conftest import FILES, Chain
from tests.patience import PATIENCE
from zava.admin.importing.importer import open_import
from zava.admin.importing.mapping import default_mapping, make_plan
from zava.errors import DatabaseError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

# What a writer takes; nothing that makes a reader or a till wait.
HARMLESS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}


@contextmanager
def import_that_waits(chain: Chain) -> Iterator[subprocess.Popen[str]]:
    """Start `zava import` with a file that is a pipe and has half of its lines."""
    chain.write_all()
    pipe = chain.folder / "stores.csv"
    pipe.unlink()
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "zava", "import", str(chain.folder)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "ZAVA_ADMIN_URL": chain.conninfo},
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background ignores it for its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        with pipe.open("w") as file:
            file.write(FILES["stores"])
            file.flush()
            wait_until(chain, "application_name = 'zava import'")
            yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def wait_until(chain: Chain, condition: str) -> None:
    """Wait until a session of the import's kind is there."""
    query = f"SELECT count(*) FROM pg_stat_activity WHERE {condition}"
    end = time.monotonic() + PATIENCE
    while not chain.value(query):
        assert time.monotonic() < end


@pytest.mark.parametrize(
    ("ending", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)]
)
def test_an_import_that_is_ended_leaves_everything_as_it_was(
    chain: Chain, ending: signal.Signals, status: int
) -> None:
    with import_that_waits(chain) as process:
        with pytest.raises(DatabaseError, match=r"another import .*session \d+ of"):
            chain.load(chain.folder / "products.csv")
        process.send_signal(ending)
        assert process.wait(PATIENCE) == status
        assert process.stderr is not None
        if ending == signal.SIGINT:
            assert process.stderr.read() == (
                "zava: ended before it was done: nothing was loaded\n"
            )
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zava import'"
    )
    end = time.monotonic() + PATIENCE
    while chain.value(query):
        assert time.monotonic() < end
    for table in ("stores", "products", "orders", "changed_orders"):
        assert chain.value(f"SELECT count(*) FROM retail.{table}") == 0
    (chain.folder / "stores.csv").unlink()
    chain.write_all()
    assert chain.load().status == "loaded"


def test_readers_and_tills_wait_for_nothing_while_an_import_is_under_way(
    chain: Chain,
) -> None:
    chain.write_all()
    chain.load()
    chain.write_all(
        orders=FILES["orders"].replace("9.90", "9.95"),
        products=FILES["products"].replace("Cheese", "Blue cheese"),
    )
    plan = make_plan((chain.folder,), default_mapping(), is_default=True)
    with open_import(chain.loader, plan, lambda *_: None) as run:
        run.load()
        pid = run.conn.info.backend_pid
        modes = chain.rows(
            "SELECT DISTINCT l.mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
            f" WHERE l.pid = {pid} AND c.relnamespace = 'retail'::regnamespace"
        )
        assert {mode for (mode,) in modes} <= HARMLESS
        with psycopg.connect(chain.conninfo, autocommit=True) as conn:
            conn.execute("SET lock_timeout = '1s'")
            read = conn.execute(
                "SELECT sum(revenue) FROM retail.daily_sales"
            ).fetchone()
            assert read is not None
            assert str(read[0]) == "15.06"
            conn.execute(
                "INSERT INTO retail.orders (store_id, total_amount)"
                " SELECT store_id, 5 FROM retail.stores WHERE source_id = '1'"
            )
            conn.execute("DELETE FROM retail.orders WHERE total_amount = 5")
    assert chain.value("SELECT sum(revenue) FROM retail.daily_sales")
