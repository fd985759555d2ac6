"""Asks what a chain's people ask, and tells whether it is right and what it costs.

    python -m bench.answers
    python -m bench.answers --journey FOLDER
    python -m bench.answers --journey FOLDER --record

FOLDER holds the real chain's files, as examples/complete-journey/write_files.py writes
them. `--record` writes the rows of the truth into values.json. The exit status is 1 if an
answer is wrong, or if the truth is not what is recorded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

import psycopg

from bench import databases
from bench.answers.asking import AskingClient, Outcome, Row, hold
from bench.answers.questions import (
    DATABASES,
    FOLDER,
    Questions,
    read_questions,
    read_truth,
    read_values,
    write_values,
)
from bench.measures import Server, zava_server
from zava.admin.embedded import EmbeddedServer

SCALE = 1.0
JOURNEY = "journey"
MAPPING = databases.ROOT / "examples" / "complete-journey" / "mapping.toml"
CALLS, CHARACTERS = 0.8, 2000
"""The targets: the mean of a question."""
LIST = 14_000
"""The target of the list of tools, without output schemas."""


def main() -> None:
    """Ask everything, and print a line for each question and the means."""
    options = parse()
    values = read_values()
    outcomes: list[Outcome] = []
    tools: list[dict[str, Any]] = []
    moved: list[str] = []
    with databases.running_cluster() as cluster:
        for database in DATABASES:
            if database == JOURNEY and options.journey is None:
                print("Complete Journey is skipped: --journey names no folder")
                continue
            name = make_database(cluster, database, options.journey)
            questions = read_questions(database)
            truth = compute_truth(databases.admin_conninfo(cluster, name), database)
            if options.record:
                values.update(truth)
            moved += [key for key in truth if truth[key] != values.get(key)]
            conninfo = cluster.conninfo(dbname=name, user="zava_server")
            server = zava_server("zava", options.zava, conninfo)
            asked = list(ask(questions, server, truth))
            report(database, asked)
            outcomes += asked
            with client_of(server, questions.people["head office"]) as client:
                tools = client.tools()
    if options.record:
        write_values(values)
    for key in moved:
        print(f"the truth is not what is recorded: {key}")
    report_total(outcomes, tools)
    sys.exit(bool(moved) or not all(outcome.is_right for outcome in outcomes))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help="into values.json")
    parser.add_argument(
        "--zava", default=f"{sys.executable} -m zava serve", metavar="COMMAND"
    )
    return parser.parse_args()


def make_database(cluster: EmbeddedServer, database: str, files: Path | None) -> str:
    """Make the database that is asked, and return its name."""
    say(f"making the database: {database}")
    if database == JOURNEY:
        admin = databases.admin_conninfo(cluster, JOURNEY)
        maintenance = databases.admin_conninfo(cluster, "postgres")
        with psycopg.connect(maintenance, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {JOURNEY} TEMPLATE template0".encode())
        zava("init", "--no-seed", admin)
        options = ("--mapping", str(MAPPING), "--unknown", "placeholder")
        zava("import", str(files), *options, admin)
        zava("embed", admin)
        return JOURNEY
    databases.seed_database(cluster, SCALE)
    name = databases.database_name(SCALE)
    admin = databases.admin_conninfo(cluster, name)
    with psycopg.connect(admin) as conn:
        conn.execute((FOLDER / "setup.sql").read_bytes())
    zava("refresh", admin)
    databases.embed_products(cluster, SCALE)
    return name


def zava(*arguments: str) -> None:
    """Run one of the administrator's commands; the connection comes last."""
    *words, admin = arguments
    command = [sys.executable, "-m", "zava", *words, "--admin-url", admin]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def compute_truth(admin: str, database: str) -> dict[str, list[Row]]:
    """Return the rows of each truth, computed as the administrator."""
    with psycopg.connect(admin) as conn:
        return {
            name: [[_plain(cell) for cell in row] for row in conn.execute(sql.encode())]
            for name, sql in read_truth(database).items()
        }


def _plain(cell: Any) -> Any:
    """Return a cell as JSON has it, numbers with the digits that matter."""
    if not isinstance(cell, Decimal):
        return cell
    return int(cell) if cell == cell.to_integral_value() else round(float(cell), 6)


def ask(
    questions: Questions, server: Server, truth: dict[str, list[Row]]
) -> Iterator[Outcome]:
    """Hold every conversation, each with a process of its own."""
    for conversation in questions.conversation:
        with client_of(server, questions.people[conversation.person]) as client:
            yield from hold(client, conversation, truth)


def client_of(server: Server, user_id: str) -> AskingClient:
    environment = {**server.environment, "ZAVA_RLS_USER_ID": user_id}
    return AskingClient(server.command, environment)


def report(database: str, outcomes: Iterable[Outcome]) -> None:
    """Print what became of each question."""
    print(f"\n{database}\n\n        calls  characters")
    for outcome in outcomes:
        shown = "right" if outcome.is_right else "WRONG"
        cost = f"{outcome.calls:7} {outcome.characters:11,}"
        print(f"{shown} {cost}  {outcome.question.name}: {outcome.question.words}")
        if not outcome.is_right:
            print(f"      found {outcome.found}\n      truth {outcome.expected}")


def report_total(outcomes: list[Outcome], tools: list[dict[str, Any]]) -> None:
    """Print the means, and how long the list of tools is."""
    read = [
        {key: tool[key] for key in ("name", "description", "inputSchema")}
        for tool in tools
    ]
    right = sum(outcome.is_right for outcome in outcomes)
    calls = [outcome.calls for outcome in outcomes]
    characters = [outcome.characters for outcome in outcomes]
    print(f"\n{len(outcomes)} questions, {right} right")
    print(
        f"a question: {fmean(calls):.2f} calls (target {CALLS}),"
        f" {fmean(characters):,.0f} characters (target {CHARACTERS:,})"
    )
    print(f"a call: {sum(characters) / sum(calls):,.0f} characters")
    print(
        f"{len(tools)} tools: {_length(read):,} characters of names, descriptions and"
        f" input schemas (target {LIST:,}); {_length(tools):,} with output schemas"
    )


def _length(content: Any) -> int:
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
