"""What query_metrics takes: a year by month, by category, by store, and other questions.

    python -m bench.metrics --scale 10
    python -m bench.metrics --database CONNINFO --person USER_ID --last-day 2017-12-31

The first makes a database with the seed and asks as the manager of the largest store and
as head office. The second asks one person of a database that is there, by zava's login;
docs/import.md says how a real chain of 457 stores gets into one. Every answer is read
past the cache, over stdio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

import psycopg

from bench import databases
from bench.marked_days import LARGEST, PERSON
from bench.measures import HEAD_OFFICE, zava_server

QUESTIONS: dict[str, dict[str, Any]] = {
    "revenue by month": {"metrics": ["revenue"], "by": ["month"]},
    "revenue by month and category": {
        "metrics": ["revenue"],
        "by": ["month", "category"],
    },
    "4 metrics by month and category, against the year before": {
        "metrics": ["revenue", "units", "discount_rate", "gross_margin"],
        "by": ["month", "category"],
        "compare": "year_before",
    },
    "revenue and orders by store": {"metrics": ["revenue", "orders"], "by": ["store"]},
    "revenue by day": {"metrics": ["revenue"], "by": ["day"], "max_rows": 400},
    "10 best products and others": {
        "metrics": ["revenue", "units"],
        "by": ["product"],
        "top": 10,
    },
    "customers and new ones": {"metrics": ["customers", "new_customers"]},
    "repeat rate": {"metrics": ["repeat_rate"]},
    "orders by hour": {"metrics": ["orders"], "by": ["hour"]},
    "revenue by segment": {"metrics": ["revenue"], "by": ["segment"]},
    "orders by category": {"metrics": ["orders"], "by": ["category"]},
    "stock and cover by product": {
        "metrics": ["stock_units", "days_of_cover"],
        "by": ["product"],
        "top": -10,
    },
}


def main() -> None:
    """Measure, and print a table for each person."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--database", metavar="CONNINFO")
    parser.add_argument("--person", default=HEAD_OFFICE, metavar="USER_ID")
    parser.add_argument("--last-day", default="2026-06-30")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--zava", default=f"{sys.executable} -m zava serve", metavar="COMMAND"
    )
    options = parser.parse_args()
    if options.database:
        measure(options.database, options.person, options)
        return
    with databases.running_cluster() as cluster:
        databases.seed_database(cluster, options.scale)
        admin = databases.admin_conninfo(
            cluster, databases.database_name(options.scale)
        )
        with psycopg.connect(admin) as conn:
            ((store,),) = conn.execute(LARGEST.encode()).fetchall()
            ((manager,),) = conn.execute(PERSON, (store,)).fetchall()
        conninfo = databases.zava_conninfo(cluster, options.scale)
        for who, person in (
            ("the largest store", manager),
            ("head office", HEAD_OFFICE),
        ):
            print(f"{who}, {databases.count_orders(cluster, options.scale):,} orders")
            measure(conninfo, str(person), options)


def measure(conninfo: str, person: str, options: argparse.Namespace) -> None:
    """Ask every question several times, and print the medians."""
    year = f"{int(options.last_day[:4]) - 1}{options.last_day[4:]}..{options.last_day}"
    zava = zava_server("zava", options.zava, conninfo)
    with zava.client(ZAVA_RLS_USER_ID=person) as client:
        for what, question in QUESTIONS.items():
            arguments = {"time_period": year, "fresh": True, **question}
            seconds = client.latencies(
                "query_metrics",
                lambda _, arguments=arguments: arguments,  # type: ignore[misc]
                options.rounds + 1,
            )[1:]
            shown = f"{1000 * statistics.median(seconds):9.1f} ms"
            print(f"  {what:58} {shown}", flush=True)


if __name__ == "__main__":
    main()
