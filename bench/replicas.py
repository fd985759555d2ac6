"""What a second server gives: `select n` and a year's performance with one and with two.

    python -m bench.replicas
    python -m bench.replicas --share 0.1        # as root

Starts a primary with two standbys. Four zava processes ask with four calls in flight
each: all of them the primary, all of them one standby, or two processes each standby.
The three take turns within a run.

Where all servers and zava run on the same few cores, a second server brings no second
processor. So `--share` also measures with every server held to that part of one core,
by a control group, as if each ran on a small host of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import report
from bench.client import Arguments, BenchClient
from bench.figures import Figures
from bench.measures import QUERY, Server, zava_server
from bench.processes import parent, processor_seconds
from tests import replicas
from tests.replicas import Replicas

PROCESSES = 4
IN_FLIGHT = 4
BATCH = 8
WARM_UP = 1.5
YEAR = {"store_id": "seattle", "time_period": "2025", "fresh": True}
ONE, TWO = "one standby", "two standbys"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
PERIOD = 20_000  # microseconds


def main() -> None:
    """Measure, and print the tables."""
    options = parse()
    figures = Figures()
    with Replicas(2, scale=options.scale) as group:
        group.catch_up()
        for run in range(options.runs):
            print(f"run {run + 1}/{options.runs}", file=sys.stderr, flush=True)
            measure(group, figures, options.seconds, "all cores")
            if options.share:
                held = f"{options.share:g} of a core each server"
                with ExitStack() as stack:
                    for server in (group.primary, *group.standbys):
                        pid = postmaster(server)
                        stack.enter_context(held_back(pid, options.share, str(pid)))
                    measure(group, figures, options.seconds, held)
    print(report.tables(figures, options.runs))


def measure(group: Replicas, figures: Figures, seconds: float, how: str) -> None:
    """Measure every question with every set of servers, one run."""
    sets = {
        "the primary": [group.primary],
        ONE: group.standbys[:1],
        TWO: group.standbys,
    }
    before: dict[str, float] = {}
    for who, servers in sets.items():
        with ExitStack() as stack:
            zavas = [
                zava_server("zava", f"{sys.executable} -m zava serve", conninfo)
                for conninfo in conninfos(group, servers)
            ]
            clients = [
                stack.enter_context(zava.client(ZAVA_EMBEDDING_PROVIDER="none"))
                for zava in zavas
            ]
            for what, (tool, arguments) in questions(zavas[0]).items():
                title = f"{what}, {how}"
                rate, spent, own = ask(clients, servers, tool, arguments, seconds)
                figures.add(title, who, "throughput", "/s", rate)
                if who == ONE:
                    before[title] = rate
                if who == TWO:
                    ratio = rate / before[title]
                    figures.add(title, who, "against one standby", "times", ratio)
                name = "processor time of all servers a call"
                figures.add(title, who, name, "ms", 1000 * spent)
                figures.add(title, who, "of zava a call", "ms", 1000 * own)


def questions(zava: Server) -> dict[str, tuple[str, Arguments]]:
    """Return what is asked, by name."""
    return {
        "`select n`": (QUERY, zava.new_query),
        "A store's year": ("get_store_performance", lambda _: dict(YEAR)),
    }


def conninfos(group: Replicas, servers: Sequence[replicas.Server]) -> Iterator[str]:
    """Yield how each zava process reaches the servers; each begins with the next."""
    for number in range(PROCESSES):
        first = number % len(servers)
        order = [*servers[first:], *servers[:first]]
        yield group.several(*order, user="zava_server")


def ask(
    clients: Sequence[BenchClient],
    servers: Sequence[replicas.Server],
    tool: str,
    arguments: Arguments,
    seconds: float,
) -> tuple[float, float, float]:
    """Ask for some seconds.

    Returns:
        Calls a second, and seconds of processor time a call: of the servers, of zava.
    """
    postmasters = [postmaster(server) for server in servers]

    def asked(client: BenchClient, seconds: float) -> int:
        calls, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            client.rate(tool, arguments, BATCH, IN_FLIGHT)
            calls += BATCH
        return calls

    def spent() -> tuple[float, float]:
        return (
            sum(processor_seconds(pid) for pid in postmasters),
            sum(client.processor_seconds() for client in clients),
        )

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(asked, clients, [WARM_UP] * len(clients)))
        started = time.perf_counter()
        before = spent()
        calls = sum(pool.map(asked, clients, [seconds] * len(clients)))
        took = time.perf_counter() - started
        after = spent()
    server, own = (late - early for early, late in zip(before, after, strict=True))
    return calls / took, server / calls, own / calls


def postmaster(server: replicas.Server) -> int:
    """Return the process id of a server, whose backends are its children."""
    with server.connection() as conn:
        return parent(conn.info.backend_pid)


@contextmanager
def held_back(pid: int, share: float, name: str) -> Iterator[None]:
    """Hold a process, and the children that it makes, to a part of one core."""
    is_version_2 = (CONTROL_GROUPS / "cgroup.controllers").exists()
    parent_group = CONTROL_GROUPS if is_version_2 else CONTROL_GROUPS / "cpu"
    group = parent_group / f"zava-bench-{name}"
    group.mkdir()
    quota = int(share * PERIOD)
    if is_version_2:
        (group / "cpu.max").write_text(f"{quota} {PERIOD}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(quota))
    (group / "cgroup.procs").write_text(str(pid))
    try:
        yield
    finally:
        for member in (group / "cgroup.procs").read_text().split():
            (parent_group / "cgroup.procs").write_text(member)
        group.rmdir()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    parser.add_argument(
        "--share", type=float, help="also with each server held to so much of a core"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
