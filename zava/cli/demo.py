"""The demonstration: real server processes, asked through the SDK's client."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import get_default_environment, stdio_client
from mcp_types import CallToolResult, TextContent
from rich.console import Console
from rich.text import Text

from zava.admin.logins import BoundLogins
from zava.cli.printing import print_rows
from zava.cli.private_files import replace_file
from zava.cli.terminal_chart import print_chart
from zava.errors import ConfigurationError
from zava.infra.drawing import can_draw
from zava.models import ServedUser
from zava.protocol.tools.charting import view_of
from zava.protocol.view import page
from zava.service.charts.drawn_answers import chart_of_metrics, definitions
from zava.service.charts.forms import Column
from zava.settings import CONNECTION_SETTINGS, PREFIX, Settings

SALES_PER_STORE = (
    "SELECT s.name, count(*) AS orders, sum(o.total_amount) AS revenue"
    " FROM retail.orders o JOIN retail.stores s USING (store_id)"
    " GROUP BY 1 ORDER BY 3 DESC"
)
TENANT_SWITCH = (
    "SELECT set_config('app.current_rls_user_id', '{victim}', true), count(*)"
    " FROM retail.orders"
)
DELETION = "DELETE FROM retail.orders"
TYPO = "SELECT name FROM retail.product LIMIT 1"
WISHES = ("something to keep rain out of an outdoor outlet", "a laptop")

YEAR: dict[str, Any] = {
    "metrics": ["revenue"],
    "by": ["month"],
    "time_period": "last_year",
}

HEAD_OFFICE = "Head Office"
_WIDTH = 100
_CAST = ("Zava Retail Seattle manager", "Zava Retail Redmond manager", HEAD_OFFICE)


@dataclass(frozen=True)
class _Question:
    title: str
    tool: str
    arguments: dict[str, Any]


def run_demo(
    settings: Settings, users: Sequence[ServedUser], logins: BoundLogins, file: Path
) -> None:
    """Ask three people's servers the same question, then try to cheat one.

    It ends with a chart, in the terminal and as a page.

    Args:
        settings: Where the database is.
        users: Everybody whom the server can act for.
        logins: Where one person is given a login of their own for a moment.
        file: Where the page is written; an earlier one is replaced.

    Raises:
        ConfigurationError: The data is not the seed's.
    """
    by_name = {user.name: user for user in users}
    missing = [name for name in _CAST if name not in by_name]
    if missing:
        raise ConfigurationError(f"the demonstration needs the seed's {missing[0]}")
    console = Console(highlight=False, width=_WIDTH, soft_wrap=True)
    cast = [by_name[name] for name in _CAST]
    anyio.run(_play, console, settings, cast)
    _show_own_login(console, settings, cast[0], cast[1], logins)
    _show_chart(console, settings, by_name[HEAD_OFFICE], file)


def _show_chart(
    console: Console, settings: Settings, person: ServedUser, file: Path
) -> None:
    """Draw a year of the chain, and write the page that shows it."""
    (answer,) = anyio.run(
        _ask, settings, person, [_Question("", "query_metrics", YEAR)]
    )
    console.print()
    if answer.is_error or answer.structured_content is None:
        _print_answer(console, answer)
        return
    metrics, by = YEAR["metrics"], YEAR["by"]
    chart = chart_of_metrics(answer.structured_content, metrics, by)
    print_chart(chart, "auto")
    console.print()
    if not can_draw():
        console.print(Text('The same chart as a page: pip install "zava[charts]"'))
    else:
        view = view_of(chart, "query_metrics", definitions(metrics))
        replace_file(file, page({**view, "rows": chart.rows}).encode())
        console.print(Text(f"The same chart as a page, for a browser: {file}"))
    console.print()


def _show_own_login(
    console: Console,
    settings: Settings,
    person: ServedUser,
    other: ServedUser,
    logins: BoundLogins,
) -> None:
    """Give `person` a login as for a laptop of theirs, and serve `other` with it."""
    login = f"demo_{secrets.token_hex(4)}"
    logins.add(login, [str(person.user_id)], None)
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "zava", "serve", "--user", str(other.user_id)],
            env={
                **get_default_environment(),
                **_environment(settings),
                "ZAVA_DB_USER": login,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    finally:
        logins.remove(login)
    console.print()
    console.print(
        f"A database login of the {person.name}'s own, asked to serve the {other.name}",
        style="bold",
    )
    console.print(Text(f"zava serve --user {other.user_id}", style="dim"))
    console.print(Text(done.stderr.strip(), style="red"))


async def _play(console: Console, settings: Settings, cast: list[ServedUser]) -> None:
    console.print("One question, three people, the same SQL", style="bold")
    console.print(Text(SALES_PER_STORE, style="dim"))
    for person in cast:
        sales = _Question(
            "", "execute_sales_query", {"postgresql_query": SALES_PER_STORE}
        )
        (answer,) = await _ask(settings, person, [sales])
        console.print()
        console.print(f"{person.name} asks:", style="cyan")
        _print_answer(console, answer)
    attacker, victim = cast[0], cast[1]
    questions = [
        _Question(
            "An attempt to become the Redmond manager inside a SELECT",
            "execute_sales_query",
            {"postgresql_query": TENANT_SWITCH.format(victim=victim.user_id)},
        ),
        _Question(
            "An attempt to delete",
            "execute_sales_query",
            {"postgresql_query": DELETION},
        ),
        _Question(
            "A slip that the model can mend",
            "execute_sales_query",
            {"postgresql_query": TYPO},
        ),
        _Question(
            "How the Seattle store did",
            "get_store_performance",
            {"store_id": "Seattle", "time_period": "last_12_months"},
        ),
        _Question(
            "How another store did",
            "get_store_performance",
            {"store_id": "Redmond", "time_period": "last_12_months"},
        ),
        *(
            _Question(
                f"A shopper asks for: {wish}",
                "semantic_search_products",
                {"query_description": wish, "max_rows": 3},
            )
            for wish in WISHES
        ),
        _Question("Health", "health_check", {}),
    ]
    answers = await _ask(settings, attacker, questions)
    for question, answer in zip(questions, answers, strict=True):
        console.print()
        console.print(question.title, style="bold")
        if "postgresql_query" in question.arguments:
            console.print(Text(question.arguments["postgresql_query"], style="dim"))
        _print_answer(console, answer)


async def _ask(
    settings: Settings, person: ServedUser, questions: Sequence[_Question]
) -> list[CallToolResult]:
    """Start `zava serve` for one person and put the questions to it."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "zava", "serve", "--user", str(person.user_id)],
        env=_environment(settings),
    )
    # What the server logs is not part of the show.
    with open(os.devnull, "w", encoding="utf-8") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            return [await client.call_tool(q.tool, q.arguments) for q in questions]


def _environment(settings: Settings) -> dict[str, str]:
    """What a server of the demonstration is started with, whatever `.env` says."""
    return {
        **{PREFIX + name.upper(): "" for name in CONNECTION_SETTINGS},
        **settings.environment("data_dir", "embedded_version", "embedding_provider"),
        "ZAVA_LOG_LEVEL": "ERROR",
    }


def _print_answer(console: Console, answer: CallToolResult) -> None:
    structured = answer.structured_content
    if answer.is_error or structured is None:
        for block in answer.content:
            if isinstance(block, TextContent):
                console.print(Text(block.text, style="red"))
    elif "rows" in structured:
        _print_rows(structured)
    elif "products" in structured:
        for product in structured["products"]:
            stock = product["stock"]
            left = "stock not known" if stock is None else f"{stock} in stock"
            facts = "{similarity:.2f}  {name}, ${price:,.2f}, "
            console.print(Text(facts.format(**product) + left))
        for note in structured["notes"]:
            console.print(Text(note, style="dim"))
    elif "insights" in structured:
        for insight in structured["insights"]:
            console.print(Text(f"- {insight['text']}"))
    else:
        console.print(Text(json.dumps(structured)))


def _print_rows(structured: dict[str, Any]) -> None:
    columns = [
        Column(
            each["name"], "number" if each["type"] in ("int8", "numeric") else "name"
        )
        for each in structured["columns"]
    ]
    print_rows(columns, structured["rows"], _WIDTH)
