"""`zava import`: a chain's own files into the database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zava.cli.command import explain_errors
from zava.cli.embed import embed_new
from zava.cli.init import Filled
from zava.cli.refresh import described, run_refresh
from zava.errors import MCPError
from zava.infra.logs import escape
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.importing.explaining import EntryExplained
    from zava.admin.importing.mapping import Plan
    from zava.admin.importing.report import ImportReport, Reject, TableReport
    from zava.admin.loading import DatabaseLoader

_SHOWN_REJECTS = 20
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


@click.command(name="import")
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
@click.option(
    "--admin-url",
    type=Filled(),
    metavar="CONNINFO",
    help="Connection of an administrator or of a member of zava_loader"
    " (ZAVA_ADMIN_URL); by default the embedded PostgreSQL's.",
)
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
    help="Delete the orders of these business days that the files do not have, in the"
    " stores that the files have.",
)
@click.option(
    "--check",
    "only_checks",
    is_flag=True,
    help="Explain the mapping and show the first rows; load nothing.",
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
    only_checks: bool,
    template: Path | None,
    as_json: bool,
) -> None:
    """Load a chain's own files: CSV, also packed by gzip, and Parquet.

    New rows are inserted, changed ones updated, and nothing is deleted. The same files
    twice change nothing. All is loaded in one transaction; readers do not wait.

    Exit status 0; 1 if nothing was loaded; 2 if all but bad rows was loaded.

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
    plan = _plan(paths, mapping_file)
    if only_checks:
        sys.exit(_explain(settings, plan, as_json=as_json))
    options = Options(reject_file, max_rejects, unknown == "placeholder", replace_days)
    with open_loader(settings) as (loader, _):
        with row_bar("importing") as on_progress:
            report = import_files(loader, plan, options, on_progress)
        if report.status != "nothing_loaded" and report.has_changed_anything:
            _finish(settings, loader, report, is_quiet=as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report, reject_file)
    sys.exit(report.exit_status)


def _plan(paths: tuple[Path, ...], mapping_file: Path | None) -> Plan:
    """Find the files and the mapping."""
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
    return make_plan(paths, mapping, is_default=mapping_file is None)


def _write_template(settings: Settings, folder: Path) -> None:
    from zava.admin.database import open_loader
    from zava.admin.importing.template import PAGE, write_template

    with open_loader(settings) as (loader, _):
        paths = write_template(loader, folder)
    click.echo(f"{len(paths)} files in {folder}; {PAGE} explains each column")


def _explain(settings: Settings, plan: Plan, *, as_json: bool) -> bool:
    """Print what a mapping would do; return whether something is in the way."""
    from zava.admin.database import open_loader
    from zava.admin.importing.explaining import explain_mapping
    from zava.cli.console import counted, row_bar

    with (
        open_loader(settings) as (loader, _),
        row_bar("checking") as on_progress,
    ):
        found = explain_mapping(loader, plan, on_progress)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        for entry in found.entries:
            _print_entry(entry)
        _print_rejects(found.rejects, is_cut=False)
        for line in _absences((), found.empty_files):
            click.echo(line)
        faults = counted(len(found.rejects), "line")
        click.echo(f"nothing was loaded: {faults} at fault so far")
    return bool(found.rejects) or any(entry.missing for entry in found.entries)


def _print_entry(entry: EntryExplained) -> None:
    from zava.cli.console import counted, print_table

    lines = counted(entry.lines, "line")
    click.echo(f"{entry.table} from {', '.join(entry.files)}, {lines}")
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
    if entry.unused:
        names = (
            f"{name} (near to {near})" if near else name for name, near in entry.unused
        )
        click.echo(f"columns of the file that nothing uses: {', '.join(names)}")
    click.echo()


def _finish(
    settings: Settings, loader: DatabaseLoader, report: ImportReport, *, is_quiet: bool
) -> None:
    """Do what may fail without the load being lost."""
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


def _print(report: ImportReport, reject_file: Path | None) -> None:
    from zava.cli.console import print_table

    print_table(
        ("table", "files", "read", "rows", "new", "changed", "same", "refused"),
        [
            (
                t.table,
                _files(t),
                *(
                    f"{n:,}"
                    for n in (t.read, t.rows, t.inserted, t.updated, t.unchanged)
                ),
                f"{t.rejected:,}",
            )
            for t in report.tables
        ],
    )
    for line in _facts(report):
        click.echo(line)
    shown = () if report.status == "loaded_with_rejects" else report.rejects
    _print_rejects(shown, is_cut=report.is_cut)
    click.echo(_verdict(report, reject_file))


def _print_rejects(shown: Sequence[Reject], *, is_cut: bool) -> None:
    from zava.cli.console import counted

    for r in shown[:_SHOWN_REJECTS]:
        place = ".".join(filter(None, (r.table, r.column)))
        value = f" {_short(r.value)!r}" if r.value else ""
        click.echo(
            f"{r.file}:{r.line}: {place + ': ' if place else ''}"
            f"{escape(r.reason)}{':' if value else ''}{value}"
        )
    if len(shown) > _SHOWN_REJECTS:
        more = counted(len(shown) - _SHOWN_REJECTS, "bad row")
        click.echo(f"… {more}{' or more' if is_cut else ''} besides")


def _files(table: TableReport) -> str:
    if len(table.files) > 1:
        return f"{table.files[0]} and {len(table.files) - 1} more"
    return "".join(table.files)


def _short(value: str) -> str:
    text = escape(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _facts(report: ImportReport) -> Iterator[str]:
    """Yield the lines that compare the files with the database."""
    from zava.cli.console import counted

    for t in report.tables:
        if t.placeholders:
            named = ", ".join(t.placeholders[:3])
            yield (
                f"{t.table}: {counted(len(t.placeholders), 'placeholder')} for what"
                f" nobody knows, for example {named}"
            )
        if t.deleted:
            yield f"{t.table}: {t.deleted:,} deleted, which the files do not have"
        if t.amount_in_files is not None and t.amount_in_database is not None:
            gap: Decimal = t.amount_in_files - t.amount_in_database
            yield (
                f"{t.table}: total_amount {t.amount_in_files:,} in the files,"
                f" {t.amount_in_database:,} in the database"
                + (f", {gap:,} refused" if gap else "")
            )
    if report.first_day is not None:
        yield f"business days: {report.first_day} to {report.last_day}"
        if report.silent_stores:
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
    yield from _absences(report.missing_files, report.empty_files)


def _absences(missing: Sequence[str], empty: Sequence[str]) -> Iterator[str]:
    """Yield what says that a file fed nothing."""
    if missing:
        yield f"not delivered: {', '.join(missing)}"
    if empty:
        yield (
            f"empty, without a row or names of columns: {', '.join(map(escape, empty))}"
        )


def _verdict(report: ImportReport, reject_file: Path | None) -> str:
    from zava.cli.console import counted

    bad = counted(len(report.rejects), "bad row")
    if report.is_cut:
        bad += " or more"
    if report.status == "nothing_loaded":
        where = f", see {reject_file}" if reject_file else ""
        how = "" if reject_file else "; --reject FILE loads the rest"
        return f"nothing was loaded: {bad}{where}{how}"
    lines = f"{counted(report.lines, 'line')} in {report.seconds:.1f} s"
    if report.status == "loaded_with_rejects":
        return f"loaded but for {bad}, see {reject_file}: {lines}"
    if not report.lines:
        return "nothing has changed: the files have no lines"
    if not report.has_changed_anything:
        return f"nothing has changed: {lines}, all of them known"
    return f"loaded: {lines}"
