"""`zava refresh`: the sales totals, and what is recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zava.cli.command import explain_errors
from zava.cli.options import admin_url_option
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.loading import DatabaseLoader
    from zava.admin.totals import RefreshSummary


@click.command()
@admin_url_option()
@click.option(
    "--recommendations",
    is_flag=True,
    help="Also count again what is bought together and by whom, which is done once a"
    " day otherwise.",
)
@explain_errors
def refresh(admin_url: str | None, recommendations: bool) -> None:
    """Add what was sold since the last refresh to the sales totals.

    Answers are exact without it, but slower the more was sold since. Run it every 10 to
    15 minutes, by cron for example. Tills and readers wait for nothing meanwhile.

    \b
    Examples:
      zava refresh
      zava refresh --recommendations     after a large load
    """
    from zava.admin.database import open_loader

    with open_loader(Settings.load(admin_url=admin_url)) as (loader, _):
        done = run_refresh(loader, recommendations=recommendations)
    click.echo(described(done))


def run_refresh(
    loader: DatabaseLoader, *, recommendations: bool = False
) -> RefreshSummary:
    """Refresh with a progress bar."""
    from zava.admin.totals import refresh_totals
    from zava.cli.console import progress_bar

    with progress_bar("refreshing") as on_step:
        return refresh_totals(loader, on_step, recommendations=recommendations)


def described(done: RefreshSummary) -> str:
    """Return what a refresh has done, in a line."""
    from zava.cli.console import counted

    again = ", recommendations counted again" if done.recommendations else ""
    days = counted(done.days, "day")
    return f"totals: {days} of stores in {done.seconds:.1f} s{again}"
