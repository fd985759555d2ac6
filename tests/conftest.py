"""A real PostgreSQL of the version that ZAVA_TEST_POSTGRES names (18 by default).

One cluster a run, made from the same wheel as the embedded server. The schema
and a small seed are loaded once, by psql, into a template; `database` gives a
test a clone of its own, `seeded` the one that tests only read.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck

from tests.folders import make_folder
from tests.pooler import PROGRAM, PgBouncer
from zava.admin.embedded import EmbeddedServer, find_binary
from zava.admin.embeddings import EmbeddingTable, embed_products
from zava.admin.loading import DatabaseLoader
from zava.ai.local import LocalClient
from zava.data.provider import PostgreSQLProvider

ROOT = Path(__file__).parent.parent
SCALE = "0.02"
SMALL_SCALE = "0.005"
AS_OF = "2026-06-30"
TEMPLATE = "zava_template"
SMALL_TEMPLATE = "zava_small_template"
SEEDED = "zava_seeded"
SEARCHABLE = "zava_searchable"

PG_VERSION = int(os.environ.get("ZAVA_TEST_POSTGRES", "18"))
LOWEST_IS_REQUIRED = os.environ.get("ZAVA_TEST_LOWEST") == "required"
STANDBY_IS_ATTACKED_WHOLLY = os.environ.get("ZAVA_TEST_STANDBY") == "whole"
EXAMPLES = int(os.environ.get("ZAVA_TEST_EXAMPLES", "150"))
POOLER_IS_REQUIRED = os.environ.get("ZAVA_TEST_POOLER") == "required"

# Whoever runs the tests may have settings of their own.
for name in list(os.environ):
    if name.startswith(("ZAVA_", "PG", "OPENAI_", "AZURE_OPENAI_")):
        del os.environ[name]

# A slow machine takes longer for an example, and for making one up.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

StartPooler = Callable[[str], str]
"""From a connection string to that of a pooler before it."""

RunPsql = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_finish() -> None:
    # The tests are not garbage: to look through them took an eighth of a run.
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    return f"PostgreSQL {PG_VERSION}, seed scale {SCALE} as of {AS_OF}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def pg_version() -> int:
    return PG_VERSION


@pytest.fixture(scope="session")
def run_psql() -> RunPsql:
    psql = str(find_binary("psql", PG_VERSION))

    def run(conninfo: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [psql, "-X", "-d", conninfo, *args],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedServer]:
    folder = make_folder()
    options = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = EmbeddedServer(folder, version=PG_VERSION, options=options)
    try:
        with server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(cluster: EmbeddedServer, run_psql: RunPsql) -> str:
    """The name of a loaded and seeded database that nobody connects to."""
    load(cluster, run_psql, TEMPLATE, SCALE)
    return TEMPLATE


@pytest.fixture(scope="session")
def small_template(cluster: EmbeddedServer, run_psql: RunPsql) -> str:
    """The name of a smaller one, for what is asked of every row of every table."""
    load(cluster, run_psql, SMALL_TEMPLATE, SMALL_SCALE)
    return SMALL_TEMPLATE


def load(cluster: EmbeddedServer, run_psql: RunPsql, name: str, scale: str) -> None:
    """Make a database and load schema and seed into it."""
    _sql(cluster, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    settings = ("ON_ERROR_STOP=1", f"scale={scale}", f"as_of={AS_OF}")
    loaded = run_psql(
        cluster.conninfo(dbname=name, user="postgres"),
        "-q",
        *(part for setting in settings for part in ("-v", setting)),
        *("-f", "schema.sql", "-f", "seed/seed.sql"),
    )
    assert loaded.returncode == 0, loaded.stderr
    # Each store's last days as if they had been written after the refresh.
    with psycopg.connect(cluster.conninfo(dbname=name, user="postgres")) as conn:
        conn.execute(
            """
            INSERT INTO retail.changed_orders (store_id, day, customer_id)
            SELECT DISTINCT store_id, day, customer_id
            FROM (SELECT store_id, customer_id, day,
                         dense_rank() OVER (
                             PARTITION BY store_id ORDER BY day DESC) AS nth
                  FROM retail.orders AS o
                  CROSS JOIN date(o.order_date AT TIME ZONE 'UTC') AS day) AS o
            WHERE nth <= 20
            """
        )


@pytest.fixture(scope="session")
def seeded(cluster: EmbeddedServer, template: str) -> str:
    """The name of a seeded database to read from, never to change."""
    clone(cluster, template, SEEDED)
    return SEEDED


@pytest.fixture(scope="session")
def owner(cluster: EmbeddedServer, seeded: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to `seeded`."""
    with psycopg.connect(
        cluster.conninfo(dbname=seeded, user="postgres"), autocommit=True
    ) as conn:
        yield conn


@pytest.fixture(scope="session")
def server_conninfo(cluster: EmbeddedServer, seeded: str) -> str:
    """The server's login to `seeded`."""
    return cluster.conninfo(dbname=seeded, user="zava_server")


@pytest.fixture(scope="session")
def start_pooler() -> Iterator[StartPooler]:
    """Starts PgBouncers in transaction mode; without one installed tests are skipped.

    With ZAVA_TEST_POOLER=required they fail instead.
    """
    if PROGRAM is None:
        why = "PgBouncer is not installed"
        if POOLER_IS_REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    with ExitStack() as stack:
        yield lambda target: stack.enter_context(PgBouncer(target)).conninfo


@pytest.fixture(scope="session")
def provider(server_conninfo: str) -> Iterator[PostgreSQLProvider]:
    provider = PostgreSQLProvider({"conninfo": server_conninfo})
    provider.open()
    yield provider
    provider.close()


@pytest.fixture
def database(cluster: EmbeddedServer, template: str) -> Iterator[str]:
    """The name of a seeded database of the test's own."""
    yield from temporary_database(cluster, template)


@pytest.fixture
def empty_database(cluster: EmbeddedServer) -> Iterator[str]:
    """A superuser's conninfo of an empty database of the test's own."""
    for name in temporary_database(cluster, "template0"):
        yield cluster.conninfo(dbname=name, user="postgres")


def temporary_database(cluster: EmbeddedServer, template: str) -> Iterator[str]:
    """Yield the name of a clone that is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    clone(cluster, template, name)
    yield name
    _sql(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def clone(cluster: EmbeddedServer, template: str, name: str) -> None:
    """Make a database from a template, with the rights that its template has."""
    # The rights on a database itself are not copied from its template.
    _sql(
        cluster,
        # Half the time of the other strategy, which writes every page to the log.
        f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY",
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
        *(
            [f"GRANT TEMPORARY ON DATABASE {name} TO zava_owner"]
            if template != "template0"
            else []
        ),
    )


def _sql(cluster: EmbeddedServer, *texts: str) -> None:
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for text in texts:
            conn.execute(text.encode())


@pytest.fixture(scope="session")
def searchable(cluster: EmbeddedServer, template: str) -> str:
    """The name of a seeded database whose products have vectors, to read from."""
    clone(cluster, template, SEARCHABLE)
    loader = DatabaseLoader(cluster.conninfo(dbname=SEARCHABLE, user="postgres"))
    client = LocalClient()
    table = EmbeddingTable(loader.as_owner, client.model)
    embed_products(table, client, lambda _done, _total: None)
    return SEARCHABLE


@pytest.fixture(scope="session")
def searchable_conninfo(cluster: EmbeddedServer, searchable: str) -> str:
    """The server's login to `searchable`."""
    return cluster.conninfo(dbname=searchable, user="zava_server")


@pytest.fixture(scope="session")
def searchable_provider(searchable_conninfo: str) -> Iterator[PostgreSQLProvider]:
    provider = PostgreSQLProvider({"conninfo": searchable_conninfo})
    provider.open()
    yield provider
    provider.close()
