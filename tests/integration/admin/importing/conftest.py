"""A chain of two stores in files, and a database without a row for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import RunPsql, clone
from zava.admin.embedded import EmbeddedServer
from zava.admin.importing.importer import Options, import_files
from zava.admin.importing.mapping import (
    default_mapping,
    make_plan,
    read_mapping,
)
from zava.admin.importing.report import ImportReport
from zava.admin.loading import DatabaseLoader

TEMPLATE = "zava_import_template"
DATABASE = "zava_import"

FILES = {
    "chain": "name,currency,default_time_zone\nCorner Shops,EUR,Europe/Berlin\n",
    "stores": (
        "source_id,name,location,time_zone,opened_on\n"
        "1,North,Berlin,,2017-01-01\n"
        "2,South,New York,America/New_York,\n"
    ),
    "categories": "source_id,name,parent_category\nF,Food,\nD,Dairy,F\n",
    "product_types": "source_id,name,category\nM,Milk,D\n",
    "products": (
        "source_id,sku,name,category,type,base_price,unit\n"
        "10,A10,Fresh milk,D,M,1.29,piece\n"
        "11,A11,Cheese,D,,9.90,kg\n"
    ),
    "customers": (
        "source_id,store,first_name,email,signed_up_on\n"
        "c1,1,Ann,ann@example.com,2017-01-02\n"
        "c2,,Bob,,\n"
    ),
    "orders": (
        "source_id,store,customer,order_date,total_amount\n"
        "o1,1,c1,2017-03-05T23:30:00Z,3.87\n"
        "o2,2,c2,2017-03-05 23:30,9.90\n"
        "o3,1,,2017-03-06 10:00,1.29\n"
    ),
    "order_items": (
        "order,product,quantity,total_amount\n"
        "o1,10,2,2.58\no1,10,1,1.29\no2,11,1.000,9.90\no3,10,1,1.29\n"
    ),
    "inventory": "store,product,stock_level,counted_at\n1,10,7,2017-03-06 08:00\n",
}

Import = Callable[..., ImportReport]


class Chain:
    """A folder of files, and the database that they go to."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self.conninfo = conninfo
        self.folder = folder
        self.loader = DatabaseLoader(conninfo)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file."""
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        return path

    def write_all(self, **changed: str) -> None:
        """Write every file, some of them changed."""
        for name, content in {**FILES, **changed}.items():
            self.write(f"{name}.csv", content)

    def load(
        self, *paths: Path, mapping: str = "", loader: Any = None, **options: Any
    ) -> ImportReport:
        """Import the folder or some files, by the mapping that is there."""
        if mapping:
            self.write("mapping.toml", mapping)
        named = self.folder / "mapping.toml"
        is_default = not named.exists()
        plan = make_plan(
            paths or (self.folder,),
            default_mapping() if is_default else read_mapping(named),
            is_default=is_default,
        )
        return import_files(
            loader or self.loader, plan, Options(**options), lambda *_: None
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.conninfo) as conn:
            return conn.execute(query.encode()).fetchall()

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        return self.rows(query)[0][0]

    def execute(self, query: str) -> None:
        """Run statements."""
        with psycopg.connect(self.conninfo, autocommit=True) as conn:
            conn.execute(query.encode())

    def empty(self) -> None:
        """Leave the database as schema.sql makes it."""
        self.execute(
            """
            TRUNCATE retail.stores, retail.categories, retail.customers,
                retail.changed_orders, retail.kept_daily_sales,
                retail.kept_daily_product_sales, retail.kept_monthly_product_sales,
                retail.kept_customers, retail.kept_visits, retail.changed_products,
                retail.kept_chain_sales, retail.kept_chain_product_sales CASCADE;
            TRUNCATE retail.regional_managers CASCADE;
            DELETE FROM retail.chain;
            INSERT INTO retail.chain DEFAULT VALUES
            """
        )


@pytest.fixture(scope="module")
def import_database(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """A superuser's conninfo of a database with the schema and no rows."""
    home = cluster.conninfo(dbname="postgres", user="postgres")

    def execute(text: str) -> None:
        """Run statements."""
        with psycopg.connect(home, autocommit=True) as conn:
            conn.execute(text.encode())

    execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
    conninfo = cluster.conninfo(dbname=TEMPLATE, user="postgres")
    options = ("-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    loaded = run_psql(conninfo, *options)
    assert loaded.returncode == 0, loaded.stderr
    clone(cluster, TEMPLATE, DATABASE)
    execute(f"GRANT TEMPORARY ON DATABASE {DATABASE} TO zava_loader")
    yield cluster.conninfo(dbname=DATABASE, user="postgres")
    for name in (DATABASE, TEMPLATE):
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def chain(import_database: str, tmp_path: Path) -> Chain:
    """A folder without files, and a database without rows."""
    folder = tmp_path / "files"
    folder.mkdir()
    chain = Chain(import_database, folder)
    chain.empty()
    return chain
