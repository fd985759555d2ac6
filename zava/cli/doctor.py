"""`zava doctor`: whether the database keeps stores apart, and what its data lacks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zava.cli.command import explain_errors
from zava.cli.options import admin_url_option
from zava.infra.logs import escape
from zava.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zava.admin.data_quality import DataCheck

# Of an example; a key may be of any length.
_LONGEST_EXAMPLE = 120

allow_option = click.option(
    "--allow",
    metavar="NAME",
    multiple=True,
    help="A check of `zava doctor` that may fail; may be given several times"
    " (ZAVA_ALLOW).",
)


@click.command()
@click.option("--user", metavar="ID", help="User id to look as (ZAVA_RLS_USER_ID).")
@allow_option
@click.option(
    "--data",
    "of_data",
    is_flag=True,
    help="Look for contradictions and gaps in the chain's data instead.",
)
@admin_url_option("With --data: connection of a role that may act as zava_owner")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: every object at fault, each with the SQL that mends it; with"
    " --data every check, and counts per store.",
)
@explain_errors
def doctor(
    user: str | None,
    allow: tuple[str, ...],
    of_data: bool,
    admin_url: str | None,
    as_json: bool,
) -> None:
    """Check that the database keeps stores apart, as the server's own login.

    Exit status 0 if nothing fails. `zava serve` makes the same checks and does
    not start if one fails.

    With --data: look for contradictions (faults) and gaps (notes) in the data of
    every store, as the administrator. Exit status 1 if there is a fault. It reads all
    rows and changes none.

    \b
    Examples:
      zava doctor --user f47ac10b-58cc-4372-a567-0e02b2c3d479
      zava doctor --data
      zava doctor --data --admin-url postgresql://postgres@db.example/retail
    """
    if of_data:
        if user or allow:
            raise click.UsageError(
                "--data looks at the data of every store: leave --user and --allow out"
            )
        sys.exit(_check_data(Settings.load(admin_url=admin_url), as_json=as_json))
    if admin_url:
        raise click.UsageError("--admin-url is for --data: give both, or none")
    from zava.bootstrap import MCPServerManager
    from zava.cli.console import print_table

    settings = Settings.load(
        rls_user_id=user, allow=",".join(allow) or None, log_level="ERROR"
    )
    checks = MCPServerManager(settings).examine()
    if as_json:
        click.echo(json.dumps([check.model_dump() for check in checks], indent=2))
    else:
        print_table(
            ("check", "status", "what was found", "to mend it"),
            [(c.name, c.status, c.detail, c.remedy) for c in checks],
        )
    sys.exit(any(check.status == "fail" for check in checks))


def _check_data(settings: Settings, *, as_json: bool) -> bool:
    """Print what is wrong with the data; return whether there is a fault."""
    from zava.admin.data_quality import check_data
    from zava.admin.database import open_loader
    from zava.cli.console import progress_bar

    with (
        open_loader(settings) as (loader, _),
        progress_bar("looking at the data") as on_step,
    ):
        checks = check_data(loader, on_step)
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for line in _report(checks):
            click.echo(line)
    return any(check.status == "fault" for check in checks)


def _report(checks: Iterable[DataCheck]) -> Iterator[str]:
    """Yield the lines about what was found, faults first, and one that counts."""
    statuses = []
    for check in sorted(checks, key=lambda c: c.status != "fault"):
        statuses.append(check.status)
        if check.status == "pass":
            continue
        yield f"{check.status}: {check.what}: {check.count:,} ({check.name})"
        if check.examples:
            yield f"  for example {', '.join(map(_shortened, check.examples))}"
        yield f"  {check.meaning}"
    faults, notes = statuses.count("fault"), statuses.count("note")
    yield f"checks of the data: {len(statuses)}, faults: {faults}, notes: {notes}"


def _shortened(example: str) -> str:
    """Return an example as a part of one line."""
    text = escape(example)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"
