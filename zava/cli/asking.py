"""`zava query`: a question that a person or a script asks without an assistant."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zava.cli.command import explain_errors
from zava.cli.doctor import allow_option
from zava.errors import ConfigurationError, MCPError
from zava.infra.logs import escape
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.protocol.server import Answer
    from zava.protocol.tools.charting import ChartForm
    from zava.service.charts.forms import Chart

_STDIN = "-"
# What an argument of a tool is called here.
_OPTIONS = {
    "postgresql_query": "--sql",
    "metrics": "--metrics",
    "by": "--by",
    "time_period": "--period",
    "stores": "--store",
    "compare": "--compare",
    "filters": "--filter",
    "having": "--having",
    "order_by": "--order-by",
    "top": "--top",
    "shares": "--shares",
    "cover_days": "--cover-days",
    "max_rows": "--max-rows",
    "show_sql": "--show-sql",
    "rls_user_id": "--user",
    "chart": "--chart",
}
_COMPARISONS = ("previous", "year_before", "both")
# How a running server gives the next rows.
_OF_A_SERVER = frozenset({"handle", "more"})
_FORMS = ("auto", "line", "bar", "stacked_bar", "scatter", "heat_map")


@click.command()
@click.option("--user", metavar="ID", help="User id to ask as (ZAVA_RLS_USER_ID).")
@click.option("--sql", metavar="TEXT", help="One SQL query.")
@click.option(
    "--sql-file", metavar="FILE", help="File with one SQL query; - is standard input."
)
@click.option(
    "--metrics", metavar="NAMES", multiple=True, help="Metrics, separated by commas."
)
@click.option(
    "--by",
    metavar="NAMES",
    multiple=True,
    help="Up to three dimensions, separated by commas.",
)
@click.option("--period", metavar="PERIOD", help="Such as 2026, 2026-05 or last_month.")
@click.option(
    "--store",
    "stores",
    metavar="NAME",
    multiple=True,
    help="A store or a region; may be given several times.",
)
@click.option(
    "--compare", type=click.Choice(_COMPARISONS), help="What to compare with."
)
@click.option(
    "--filter",
    "filters",
    metavar="DIMENSION=VALUE",
    multiple=True,
    help="Only that value; DIMENSION!=VALUE leaves it out. May be given several times.",
)
@click.option(
    "--having",
    metavar="CONDITION",
    multiple=True,
    help="Such as 'revenue > 1000'; may be given several times.",
)
@click.option(
    "--order-by",
    metavar="NAMES",
    multiple=True,
    help="Columns, separated by commas; -revenue has the highest first.",
)
@click.option(
    "--top",
    type=int,
    metavar="N",
    help="Highest values of the last dimension, and others; -5 for the lowest.",
)
@click.option("--shares", is_flag=True, help="Also shares in percent.")
@click.option("--cover-days", type=int, metavar="N", help="Days a reorder is to last.")
@click.option("--show-sql", is_flag=True, help="Also the SQL of the metrics.")
@click.option(
    "--max-rows",
    type=int,
    metavar="N",
    help="Most rows; by default and at most ZAVA_MAX_ROWS.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "chart"]),
    help="What is printed; a table, unless a file is written.",
)
@click.option(
    "--chart",
    type=click.Choice(_FORMS),
    is_flag=False,
    flag_value="auto",
    help="Print a chart, of a form that is chosen or given.",
)
@click.option("--html", metavar="FILE", help="Write a page that shows the chart.")
@click.option("--png", metavar="FILE", help="Write the chart as a picture.")
@click.option("--force", is_flag=True, help="Replace these files if they are there.")
@allow_option
@explain_errors
def query(**given: Any) -> None:
    """Ask one question as one person, and print the answer.

    The question is SQL or metrics. It runs as an assistant's does: one read-only
    transaction that sees what the person may see. Only the answer is written to
    standard output. The exit status is 0 if there is one.

    \b
    Examples:
      zava query --user ID --sql 'SELECT name FROM retail.stores'
      zava query --user ID --metrics revenue,orders --by month --period 2026
      zava query --user ID --metrics revenue --by category --chart
      zava query --user ID --metrics revenue --by month --html revenue.html
      zava query --user ID --sql-file report.sql --format csv > report.csv
    """
    tool, arguments = _question(given)
    _check_files(given)
    settings = Settings.load(
        rls_user_id=given["user"], allow=",".join(given["allow"]) or None
    )
    arguments["max_rows"] = (
        settings.max_rows if given["max_rows"] is None else given["max_rows"]
    )
    with _own_names():
        answer = _ask(settings, tool, arguments)
        form = _printed(given)
        for name in ("html", "png"):
            if given[name]:
                _write(answer, name, Path(given[name]), given)
        if form is not None:
            _print(answer, form, given["chart"] or "auto")
    for line in _remarks(answer, settings, form):
        click.echo(escape(line), err=True)


def _question(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the tool that answers, and its arguments."""
    ways = [name for name in ("sql", "sql_file", "metrics") if given[name]]
    if len(ways) != 1:
        raise click.UsageError("give one of --sql, --sql-file and --metrics")
    of_metrics = {
        "by": _listed(given["by"]),
        "time_period": given["period"],
        "stores": list(given["stores"]),
        "compare": given["compare"],
        "filters": _filters(given["filters"]),
        "having": list(given["having"]),
        "order_by": _listed(given["order_by"]),
        "top": given["top"],
        "shares": given["shares"],
        "cover_days": given["cover_days"],
        "show_sql": given["show_sql"],
    }
    said = {
        name: value
        for name, value in of_metrics.items()
        if value not in (None, [], {}, False)
    }
    if ways == ["metrics"]:
        return "query_metrics", {"metrics": _listed(given["metrics"]), **said}
    if said:
        name = _OPTIONS[next(iter(said))]
        raise click.UsageError(f"{name} is for --metrics; SQL says it itself")
    text = given["sql"] or _read(given["sql_file"])
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise click.UsageError("--sql holds bytes that are no text in this locale")
    return "execute_sales_query", {"postgresql_query": text}


def _listed(given: Sequence[str]) -> list[str]:
    """Return names that are separated by commas, or given one by one."""
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _filters(given: Sequence[str]) -> dict[str, list[str]]:
    """Return the values by dimension, as `query_metrics` takes them."""
    found: dict[str, list[str]] = {}
    for text in given:
        dimension, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"--filter {text} is not DIMENSION=VALUE")
        is_negated = dimension.endswith("!")
        name = dimension.removesuffix("!").strip()
        found.setdefault(f"not {name}" if is_negated else name, []).append(value)
    return found


def _read(name: str) -> str:
    """Return the text of a file, or of standard input."""
    try:
        if name == _STDIN:
            with open(0, "rb", closefd=False) as file:
                raw = file.read()
        else:
            raw = Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as exc:
        raise click.UsageError(f"--sql-file {name}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"--sql-file {name} is not UTF-8") from exc


def _check_files(given: Mapping[str, Any]) -> None:
    """Refuse, before anything is asked, what could not be written."""
    from zava.infra.drawing import check_library

    if given["chart"] and given["form"] not in (None, "chart"):
        raise click.UsageError(f"--chart is not for --format {given['form']}")
    files = [given[name] for name in ("html", "png") if given[name]]
    if files:
        check_library()
    for name in files:
        if Path(name).exists() and not given["force"]:
            raise ConfigurationError(
                f"{name} is there already: name another file, or give --force"
            )


def _printed(given: Mapping[str, Any]) -> str | None:
    """Return what is printed, None for nothing."""
    if given["form"] or given["chart"]:
        return given["form"] or "chart"
    return None if given["html"] or given["png"] else "table"


@contextmanager
def _own_names() -> Iterator[None]:
    """Let an error name this command's options, in one harmless line."""
    try:
        yield
    except MCPError as exc:
        message = exc.message
        for field, option in _OPTIONS.items():
            message = message.replace(
                f"Validation failed for {field}:", f"Validation failed for {option}:"
            )
        raise MCPError(escape(message), exc.error_code) from exc


def _ask(settings: Settings, tool: str, arguments: Mapping[str, Any]) -> Answer:
    """Ask as a server of this person does, which ends with its answer.

    Raises:
        MCPError: As for the server.
    """
    from zava.bootstrap import MCPServerManager

    # One question needs one connection, and the port belongs to a server.
    settings = settings.model_copy(
        update={
            "metrics_port": None,
            "pool_min_size": min(settings.pool_min_size, 1),
        }
    )
    with MCPServerManager(settings, logs_to_stderr=False) as manager:
        manager.limit_memory()
        return manager.ask(tool, arguments)


def _chart(answer: Answer) -> Chart:
    """Return the chart of an answer, whose rows may be more than the answer has."""
    from zava.service.charts.forms import Chart, Column

    view = answer.view
    return Chart(
        title=view["title"],
        columns=tuple(Column(**each) for each in view["columns"]),
        rows=_drawn(answer),
        notes=tuple(view["notes"]),
    )


def _drawn(answer: Answer) -> list[list[Any]]:
    rows: list[list[Any]] = answer.view.get("rows", answer.structured["rows"])
    return rows


def _print(answer: Answer, form: str, form_of_chart: str) -> None:
    from zava.cli.printing import LONGEST_CELL, csv_of, json_of, print_rows
    from zava.cli.terminal_chart import print_chart

    chart, rows = _chart(answer), answer.structured["rows"]
    if form == "json":
        told = {k: v for k, v in answer.structured.items() if k not in _OF_A_SERVER}
        click.echo(json_of(told), nl=False)
    elif form == "csv":
        is_terminal = sys.stdout.isatty()  # noqa: TID251 - it is only asked
        text = csv_of(chart.columns, rows, for_terminal=is_terminal)
        click.echo(text, nl=False)
    elif form == "chart":
        print_chart(chart, form_of_chart)
    elif print_rows(chart.columns, rows):
        click.echo(
            f"cells are cut after {LONGEST_CELL} characters: --format csv has all",
            err=True,
        )


def _write(answer: Answer, kind: str, path: Path, given: Mapping[str, Any]) -> None:
    """Write the answer as a page or as a picture."""
    from zava.cli.private_files import write_file
    from zava.protocol.tools.charting import picture
    from zava.protocol.view import page

    form: ChartForm = given["chart"] or "auto"
    if kind == "png":
        raw = picture(_chart(answer), form)
    else:
        view = {**answer.view, "rows": _drawn(answer)}
        if form != "auto":
            view["form"] = form
        raw = page(view).encode()
    write_file(path, raw, overwrite=given["force"])
    click.echo(f"zava: wrote {escape(str(path))}", err=True)


def _remarks(answer: Answer, settings: Settings, form: str | None) -> list[str]:
    """Return what has to be known of an answer, besides its rows."""
    from zava.cli.printing import remark_of_age

    structured = answer.structured
    lines = []
    if form == "table":
        if "period" in structured:
            lines += _period(structured)
        if not structured["rows"]:
            lines.append("no rows")
    if form in ("table", "csv"):  # a chart says so itself
        lines += remark_of_age(structured["as_of"], datetime.now(timezone.utc))
    if form not in ("json", None):
        lines += structured.get("notes", [])
        lines += structured.get("sql", "").splitlines()
    if structured.get("truncated"):
        lines.append(_how_to_get_more(structured, settings))
    return lines


def _period(structured: Mapping[str, Any]) -> list[str]:
    """Say which figures these are."""
    facts = [
        structured["stores"],
        _days(structured["period"]),
        f"data through {structured['data_through']}",
        structured["currency"],
    ]
    return [
        " · ".join(str(fact) for fact in facts if fact),
        *(
            f"{name}: {_days(days)}"
            for name, days in structured.get("compared_with", {}).items()
        ),
    ]


def _days(period: Mapping[str, str]) -> str:
    return f"{period['first_day']} to {period['last_day']}"


def _how_to_get_more(structured: Mapping[str, Any], settings: Settings) -> str:
    from zava.cli.console import counted

    count = structured["row_count"]
    if structured["truncated"] == "max_bytes":
        remedy = (
            "take fewer columns or sum up, or set a higher ZAVA_MAX_RESULT_BYTES"
            f" (it is {settings.max_result_bytes:,})"
        )
    elif count < settings.max_rows:
        remedy = "sum up or filter, or give a higher --max-rows"
    else:
        remedy = "sum up or filter, or set a higher ZAVA_MAX_ROWS"
    return f"zava: cut after {counted(count, 'row')}: {remedy}"
