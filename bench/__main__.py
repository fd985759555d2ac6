r"""Run every benchmark and write what came out.

    python -m bench                      # zava alone
    python -m bench --write              # and into bench/README.md and bench/chart.svg
    python -m bench --huge               # and ten million orders; ten minutes more
    python -m bench --peer toolbox='toolbox --prebuilt postgres --stdio' \
        --tool execute_sql --arg sql

In a peer's command {url}, {host}, {port}, {database} and {user} stand for where
PostgreSQL is; it also gets POSTGRES_HOST, _PORT, _DATABASE, _USER and _PASSWORD.
Its PostgreSQL is the same, seeded at scale 1, and its login may read everything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import psycopg

from bench import databases, report
from bench.figures import Figures
from bench.measures import (
    Server,
    measure_cache,
    measure_calls,
    measure_growth,
    measure_result,
    measure_search,
    zava_server,
)
from bench.transaction import measure_transaction
from zava.admin.embedded import EmbeddedServer

FOLDER = Path(__file__).parent
SCALES = (0.1, 1.0, 10.0)
HUGE = 50.0
PEER_SCALE = 1.0
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
SEED = "The whole seed"


def main() -> None:
    """Measure, print the tables, and write them where asked."""
    options = parse()
    figures = Figures()
    with databases.running_cluster() as cluster:
        scales = [*SCALES, HUGE] if options.huge else list(SCALES)
        for scale in scales if not options.quick else [PEER_SCALE]:
            say(f"seeding scale {scale:g}")
            seconds = databases.seed_database(cluster, scale)
            target = 20.0 * max(scale, 1)
            figures.add(SEED, f"scale {scale:g}", "time", "s", seconds, target)
            databases.embed_products(cluster, scale)
        measure(cluster, figures, options)
        server_version = postgres_version(cluster)
    text = f"{report.machine(server_version)}\n\n{report.tables(figures, options.runs)}"
    print(text)
    if options.write:
        write(text, report.chart(figures))


def measure(
    cluster: EmbeddedServer, figures: Figures, options: argparse.Namespace
) -> None:
    """Measure everything; runs of the servers take turns."""
    conninfo = databases.zava_conninfo(cluster, PEER_SCALE)
    zava = zava_server("zava", options.zava, conninfo)
    servers = [zava, *peers(cluster, options)]
    for run in range(options.runs):
        for server in servers:
            say(f"run {run + 1}/{options.runs}: {server.name}")
            measure_calls(server, figures, options.calls)
        measure_cache(zava, figures, options.calls)
        measure_transaction(conninfo, figures, options.calls)
        measure_result(zava, figures, 10)
        measure_search(zava, figures)
    for scale in () if options.quick else [*SCALES, *([HUGE] * options.huge)]:
        orders = databases.count_orders(cluster, scale)
        grown = zava_server(
            "zava", options.zava, databases.zava_conninfo(cluster, scale)
        )
        for run in range(options.runs):
            say(f"run {run + 1}/{options.runs}: {orders:,} orders")
            measure_growth(grown, figures, orders, 20)


def peers(cluster: EmbeddedServer, options: argparse.Namespace) -> list[Server]:
    """Return the servers that the command line names."""
    name = databases.database_name(PEER_SCALE)
    given = psycopg.conninfo.conninfo_to_dict(databases.admin_conninfo(cluster, name))
    host, port, user = (str(given[key]) for key in ("host", "port", "user"))
    places = {
        "url": f"postgresql://{user}:unused@{host}:{port}/{name}?sslmode=disable",
        "host": host,
        "port": port,
        "database": name,
        "user": user,
    }
    environment = {
        f"POSTGRES_{key.upper()}": places[key]
        for key in ("host", "port", "database", "user")
    }
    found = []
    for peer, tool, argument in zip(
        options.peer, options.tool, options.arg, strict=True
    ):
        title, _, command = peer.partition("=")
        found.append(
            Server(
                title,
                command.format(**places),
                tool,
                argument,
                {**environment, "POSTGRES_PASSWORD": "unused"},
            )
        )
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument(
        "--tool", action="append", default=[], help="of the peer before"
    )
    parser.add_argument(
        "--arg", action="append", default=[], help="of that tool, for SQL"
    )
    parser.add_argument(
        "--zava", default=f"{sys.executable} -m zava serve", metavar="COMMAND"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=1000, help="in each run")
    parser.add_argument("--quick", action="store_true", help="no growth with data")
    parser.add_argument("--huge", action="store_true", help=f"also scale {HUGE:g}")
    parser.add_argument("--write", action="store_true", help="into bench/")
    options = parser.parse_args()
    if not len(options.peer) == len(options.tool) == len(options.arg):
        parser.error("each --peer needs its --tool and --arg")
    return options


def postgres_version(cluster: EmbeddedServer) -> str:
    with psycopg.connect(databases.admin_conninfo(cluster, "postgres")) as conn:
        return conn.info.parameter_status("server_version") or ""


def write(text: str, chart: str) -> None:
    readme = FOLDER / "README.md"
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
    (FOLDER / "chart.svg").write_text(chart, "utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
