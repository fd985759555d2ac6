"""`zava import`: a chain's own files into the database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zava.cli.command import explain_errors
from zava.cli.embed import embed_new
from zava.cli.options import OF_A_LOADER, admin_url_option
from zava.cli.refresh import described, run_refresh
from zava.errors import MCPError
from zava.infra.logs import escape
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.importing.explaining import EntryExplained
    from zava.admin.importing.importer import Options
    from zava.admin.importing.mapping import Plan
    from zava.admin.importing.report import (
        ImportReport,
        Reject,
        ReplacedDays,
        TableReport,
    )
    from zava.admin.loading import DatabaseLoader

_SHOWN_GROUPS = 20
_LONGEST_VALUE = 60


class Days(click.types.StringParamType):
    """Two days with two dots between them, or one day."""

    name = "days"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the first and the last day."""
        first, dots, last = str(value).partition("..")
        try:
            days = (
                date.fromisoformat(first),
                date.fromisoformat(last if dots else first),
            )
        except ValueError:
            self.fail(f"{value!r} is not FROM..TO, as 2017-03-01..2017-03-31")
        if days[0] > days[1]:
            self.fail(f"{value!r} ends before it begins")
        return days


class WrongCommandLine(click.UsageError):
    """A usage error whose exit status is that of an import that loads nothing."""

    exit_code = 1


class ImportCommand(click.Command):
    """A wrong command line loads nothing: its exit status says so, not that of click.

    Click's own is 2, which here means that rows were left out.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line."""
        with _loading_nothing():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _loading_nothing():
            return super().invoke(ctx)


@contextmanager
def _loading_nothing() -> Iterator[None]:
    try:
        yield
    except click.UsageError as exc:
        raise WrongCommandLine(exc.format_message(), exc.ctx) from exc


@click.command(name="import", cls=ImportCommand)
@click.argument(
    "paths",
    metavar="FOLDER_OR_FILES...",
    nargs=-1,
    type=click.Path(path_type=Path),
)
@click.option(
    "--mapping",
    "mapping_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Which file feeds which table, in TOML; by default mapping.toml of the folder,"
    " and without one files are named like the tables.",
)
@admin_url_option(OF_A_LOADER)
@click.option(
    "--reject",
    "reject_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Load all but the bad rows, and write these into a CSV file.",
)
@click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="With --reject: load nothing if there are more.",
)
@click.option(
    "--unknown",
    type=click.Choice(["refuse", "placeholder"]),
    default="refuse",
    show_default=True,
    help="What to do about products, customers and stores that only sales know:"
    " refuse the rows, or make a row named `unknown product …`.",
)
@click.option(
    "--replace-days",
    type=Days(),
    metavar="FROM..TO",
    help="On these business days, delete the orders that the files do not have. Only"
    " days of stores count of which the files have an order.",
)
@click.option(
    "--replace-empty-days",
    is_flag=True,
    help="With --replace-days: also delete the orders of days of which the files have"
    " none, in the stores of which they have one.",
)
@click.option(
    "--check",
    "only_checks",
    is_flag=True,
    help="Explain the mapping, show the first rows, try the load and undo it.",
)
@click.option(
    "--template",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write files with headers and example rows, and what each column means.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@explain_errors
def import_(
    paths: tuple[Path, ...],
    mapping_file: Path | None,
    admin_url: str | None,
    reject_file: Path | None,
    max_rejects: int,
    unknown: str,
    replace_days: tuple[date, date] | None,
    replace_empty_days: bool,
    only_checks: bool,
    template: Path | None,
    as_json: bool,
) -> None:
    """Load a chain's own files: CSV, also packed by gzip, and Parquet.

    New rows are inserted, changed ones updated, and nothing is deleted. The same files
    twice change nothing. All is loaded in one transaction; readers do not wait.

    Exit status: 0 loaded, or nothing was new; 1 nothing loaded; 2 loaded but for the
    rows in the reject file; 130 ended by Ctrl-C, nothing loaded. With --check: 0 if all
    would be loaded, 1 if not.

    \b
    Examples:
      zava import --template new/                 files to fill in
      zava import export/ --check                 what the mapping would do
      zava import export/                         files named stores.csv, orders.csv, …
      zava import export/ --mapping till.toml --reject rejects.csv
      zava import 2017-03-05.csv --mapping till.toml --replace-days 2017-03-05
    """
    from zava.admin.database import open_loader
    from zava.admin.importing.importer import Options, import_files
    from zava.cli.console import row_bar

    settings = Settings.load(admin_url=admin_url)
    if template is not None:
        if paths:
            raise click.UsageError("--template writes files: name none to load")
        _write_template(settings, template)
        return
    if replace_empty_days and replace_days is None:
        raise click.UsageError("--replace-empty-days needs --replace-days FROM..TO")
    plan = _plan(paths, mapping_file, reject_file)
    options = Options(
        reject_file,
        max_rejects,
        unknown == "placeholder",
        replace_days,
        replace_empty_days,
    )
    if only_checks:
        sys.exit(_explain(settings, plan, options, as_json=as_json))
    with open_loader(settings) as (loader, _):
        try:
            with row_bar("importing") as on_progress:
                report = import_files(loader, plan, options, on_progress)
        except KeyboardInterrupt as exc:
            click.echo(f"zava: ended before it was done: {exc}", err=True)
            sys.exit(130)
        if report.status != "nothing_loaded" and report.has_changed_anything:
            _finish(settings, loader, report, is_quiet=as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report, options)
    sys.exit(report.exit_status)


def _plan(
    paths: tuple[Path, ...], mapping_file: Path | None, reject_file: Path | None
) -> Plan:
    """Find the files and the mapping; rejects of an earlier import are none of them."""
    from zava.admin.importing.mapping import (
        MAPPING_FILE,
        default_mapping,
        make_plan,
        read_mapping,
    )

    if not paths:
        raise click.UsageError("name a folder or files to load")
    if mapping_file is None:
        mapping_file = next(
            (p / MAPPING_FILE for p in paths if (p / MAPPING_FILE).is_file()), None
        )
    mapping = read_mapping(mapping_file) if mapping_file else default_mapping()
    plan = make_plan(paths, mapping, is_default=mapping_file is None)
    if reject_file is None:
        return plan
    unread = (name for name in plan.unread if name.split(";")[0] != reject_file.name)
    return replace(plan, unread=tuple(unread))


def _write_template(settings: Settings, folder: Path) -> None:
    from zava.admin.database import open_loader
    from zava.admin.importing.template import PAGE, write_template

    with open_loader(settings) as (loader, _):
        paths = write_template(loader, folder)
    click.echo(f"{len(paths)} files in {folder}; {PAGE} explains each column")


def _explain(settings: Settings, plan: Plan, options: Options, *, as_json: bool) -> int:
    """Print what a mapping would do; return the exit status."""
    from zava.admin.database import open_loader
    from zava.admin.importing.explaining import explain_mapping
    from zava.cli.console import row_bar

    with (
        open_loader(settings) as (loader, _),
        row_bar("checking") as on_progress,
    ):
        found = explain_mapping(loader, plan, on_progress, options)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return found.report.exit_status
    for entry in found.entries:
        _print_entry(entry)
    for files in found.files:
        if files.unused:
            names = (
                f"{escape(name)} (near to {near})" if near else escape(name)
                for name, near in files.unused
            )
            click.echo(
                f"columns of {_listed(files.files)} that nothing uses:"
                f" {', '.join(names)}"
            )
    _print(found.report, options)
    return found.report.exit_status


def _print_entry(entry: EntryExplained) -> None:
    from zava.cli.console import counted, print_table

    lines = counted(entry.lines, "line")
    click.echo(f"{entry.table} from {_listed(entry.files)}, {lines}")
    values = [
        [_short(row.get(column.name) or "") for row in entry.first_rows]
        for column in entry.columns
    ]
    width = max(map(len, values), default=0)
    print_table(
        ("column", "type", *(f"row {n}" for n in range(1, width + 1)), "expression"),
        [
            (
                column.name,
                f"{column.given} to {column.wanted}"
                + (", of a key" if column.is_about_a_key else ""),
                *shown,
                column.expression,
            )
            for column, shown in zip(entry.columns, values, strict=True)
        ],
    )
    if entry.missing:
        click.echo(f"missing, and needed for new rows: {', '.join(entry.missing)}")
    if entry.unfilled:
        click.echo(f"not filled: {', '.join(entry.unfilled)}")
    click.echo()


def _finish(
    settings: Settings, loader: DatabaseLoader, report: ImportReport, *, is_quiet: bool
) -> None:
    """Do what may fail, or be ended, without the load being lost."""
    try:
        _refresh_and_embed(settings, loader, report, is_quiet=is_quiet)
    except KeyboardInterrupt:
        click.echo(
            "zava: the load stands, but what follows it was ended: `zava refresh` and"
            " `zava embed` go on where this stopped",
            err=True,
        )


def _refresh_and_embed(
    settings: Settings, loader: DatabaseLoader, report: ImportReport, *, is_quiet: bool
) -> None:
    from zava.admin.importing.finishing import analyze_tables
    from zava.admin.importing.importer import needs_statistics

    say = (lambda _line: None) if is_quiet else click.echo
    try:
        if needs_statistics(report):
            analyze_tables(loader)
        say(described(run_refresh(loader)))
    except MCPError as exc:
        click.echo(
            f"zava: the load stands, but was not finished: {exc.message}; figures are"
            " exact all the same, `zava refresh` makes them fast",
            err=True,
        )
    if not any(
        t.inserted or t.updated or t.placeholders
        for t in report.tables
        if t.table in ("products", "categories", "product_types") or t.placeholders
    ):
        return
    try:
        embed_new(settings, loader, say)
    except MCPError as exc:
        click.echo(
            f"zava: the load stands, but new products were not embedded: {exc.message};"
            " `zava embed` goes on where this stopped",
            err=True,
        )


def _print(report: ImportReport, options: Options) -> None:
    from zava.cli.console import print_table

    is_loaded = report.status != "nothing_loaded"
    would = "" if is_loaded else "would be "
    print_table(
        (
            *("table", "files", "read", "rows"),
            *(f"{would}{outcome}" for outcome in ("new", "changed")),
            *("same", "refused"),
        ),
        [
            (
                t.table,
                _listed(t.files),
                *(
                    f"{n:,}"
                    for n in (t.read, t.rows, t.inserted, t.updated, t.unchanged)
                ),
                f"{t.rejected:,}",
            )
            for t in report.tables
        ],
    )
    for line in _facts(report, is_loaded=is_loaded):
        click.echo(line)
    if report.status != "loaded_with_rejects":
        _print_rejects(report)
    for obstacle in report.obstacles:
        click.echo(f"in the way: {obstacle}")
    click.echo(_verdict(report, options))


def _print_rejects(report: ImportReport) -> None:
    """Print how many rejects there are of each reason, and some of them."""
    from zava.cli.console import print_table

    groups = sorted(report.reject_groups, key=lambda group: -group.count)
    if any(group.count > len(group.examples) for group in groups):
        more = " or more" if report.is_cut else ""
        print_table(
            ("bad rows", "column", "reason"),
            [
                (
                    f"{group.count:,}{more}",
                    ".".join(filter(None, (group.table, group.column))),
                    escape(group.reason),
                )
                for group in groups[:_SHOWN_GROUPS]
            ],
        )
    for group in groups[:_SHOWN_GROUPS]:
        for reject in group.examples:
            click.echo(_reject(reject))
    if len(groups) > _SHOWN_GROUPS:
        click.echo(f"… {len(groups) - _SHOWN_GROUPS:,} more reasons")


def _reject(reject: Reject) -> str:
    place = ".".join(filter(None, (reject.table, reject.column)))
    # Many reasons quote the value.
    is_told = not reject.value or reject.value in reject.reason
    value = "" if is_told else f": {_short(reject.value)!r}"
    return (
        f"{reject.file}:{reject.line}: {place + ': ' if place else ''}"
        f"{escape(reject.reason)}{value}"
    )


def _listed(files: Sequence[str]) -> str:
    if len(files) > 1:
        return f"{files[0]} and {len(files) - 1} more"
    return "".join(files)


def _short(value: str) -> str:
    text = escape(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _facts(report: ImportReport, *, is_loaded: bool) -> Iterator[str]:
    """Yield the lines that compare the files with the database."""
    from zava.cli.console import counted

    for t in report.tables:
        if t.placeholders:
            named = ", ".join(t.placeholders[:3])
            yield (
                f"{t.table}: {counted(len(t.placeholders), 'placeholder')} for what"
                f" nobody knows, for example {named}"
            )
        if t.amount_in_files is not None and t.amount_loaded is not None:
            yield _amounts(t, is_loaded=is_loaded)
    if report.replaced_days is not None:
        yield from _replaced(report, report.replaced_days)
    if report.first_day is not None:
        yield f"business days: {report.first_day} to {report.last_day}"
        # Files of some stores say nothing about the others.
        if report.silent_stores and len(report.silent_stores) <= report.stores:
            named = ", ".join(map(escape, report.silent_stores[:5]))
            yield (
                f"stores without a sale on these days: {len(report.silent_stores):,}"
                f" ({named}{', …' if len(report.silent_stores) > 5 else ''})"
            )
        if report.wrong_totals:
            named = ", ".join(map(escape, report.wrong_total_examples))
            yield (
                f"orders whose total differs from their lines:"
                f" {report.wrong_totals:,} ({named})"
            )
    yield from _absences(report)


def _absences(report: ImportReport) -> Iterator[str]:
    """Yield which files fed nothing."""
    if report.missing_files:
        yield f"not delivered: {', '.join(report.missing_files)}"
    if report.unread_files:
        names = ", ".join(map(escape, report.unread_files))
        yield f"not read, because nothing names them: {names}"
    if report.empty_files:
        names = ", ".join(map(escape, report.empty_files))
        yield f"empty, without a row or names of columns: {names}"


def _amounts(table: TableReport, *, is_loaded: bool) -> str:
    from zava.cli.console import counted

    assert table.amount_in_files is not None  # noqa: S101 - both are there
    assert table.amount_loaded is not None  # noqa: S101
    gap: Decimal = table.amount_in_files - table.amount_loaded
    where = "in the database" if is_loaded else "could be loaded"
    without = ""
    if table.left_out:
        without = f", without {counted(table.left_out, 'line')} at fault"
    return (
        f"{table.table}: total_amount {table.amount_in_files:,} in the files{without};"
        f" {table.amount_loaded:,} {where}" + (f"; {gap:,} refused" if gap else "")
    )


def _replaced(report: ImportReport, days: ReplacedDays) -> Iterator[str]:
    """Yield what became of the days that were to be replaced."""
    from zava.cli.console import counted

    orders = sum(t.deleted for t in report.tables if t.table == "orders")
    lines = sum(t.deleted for t in report.tables if t.table == "order_items")
    yield (
        f"replaced: {counted(days.days, 'day')} of stores; deleted, which the files do"
        f" not have: {counted(orders, 'order')} with"
        f" {counted(days.deleted_lines, 'line')}, and {counted(lines, 'line')} of other"
        " orders"
    )
    if days.kept_orders:
        yield (
            f"not replaced: {counted(days.kept_orders, 'order')} between {days.first}"
            f" and {days.last}, because the files have no order of that store and day"
            " (--replace-empty-days deletes these orders, too)"
        )
    if days.other_orders:
        yield (
            f"on other days than those to be replaced:"
            f" {counted(days.other_orders, 'order')} of the files"
        )


def _verdict(report: ImportReport, options: Options) -> str:
    from zava.cli.console import counted

    bad = counted(report.reject_count, "bad row")
    if report.is_cut:
        bad += " or more"
    if report.withheld:
        bad += f" and {counted(len(report.withheld), 'row')} of the same orders or keys"
    where = f", see {options.reject_file}" if options.reject_file else ""
    lines = f"{counted(report.lines, 'line')} in {report.seconds:.1f} s"
    if report.checked == "loaded":
        return "nothing was loaded: this was a check, and all would be loaded"
    if report.checked == "loaded_with_rejects":
        return (
            f"nothing was loaded: this was a check, and all but {bad} would be loaded"
            f"{where}"
        )
    if report.status == "nothing_loaded":
        return f"nothing was loaded: {bad}{_remedy(report, options)}"
    if report.status == "loaded_with_rejects":
        return f"loaded but for {bad}{where}: {lines}"
    if not report.lines:
        return "nothing has changed: the files have no lines"
    if not report.has_changed_anything:
        return f"nothing has changed: {lines}, all of them known"
    return f"loaded: {lines}"


def _remedy(report: ImportReport, options: Options) -> str:
    if report.obstacles:
        return "; --reject does not help, see above"
    if report.is_cut or report.reject_count > options.max_rejects:
        return f"; --max-rejects admits {options.max_rejects:,}"
    return "; --reject FILE loads the rest"
