"""`zava init` and `zava users`: the administrator's side of the database."""

from __future__ import annotations

import secrets
import shlex
import sys
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from zava.cli.command import explain_errors
from zava.cli.embed import embed_locally
from zava.cli.options import Filled, Scale, admin_url_option
from zava.cli.refresh import described, run_refresh
from zava.errors import ConfigurationError
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.loading import DatabaseLoader


@click.command()
@admin_url_option()
@click.option(
    "--scale",
    type=Scale(),
    default=1.0,
    show_default=True,
    help="Size of the seed; 1 is 50,000 customers and 200,000 orders.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Last day with orders; by default today.",
)
@click.option("--no-seed", is_flag=True, help="Load the schema only.")
@click.option(
    "--password",
    type=Filled(),
    metavar="TEXT",
    help="Password of the server's login; by default a new login gets a generated one.",
)
@click.option(
    "--migrate",
    is_flag=True,
    help="Migrate a database of version 1 of the schema without asking.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what a migration would do, and change nothing.",
)
@explain_errors
def init(
    admin_url: str | None,
    scale: float,
    as_of: datetime | None,
    no_seed: bool,
    password: str | None,
    migrate: bool,
    dry_run: bool,
) -> None:
    """Load schema and seed into a database and give the server its login.

    Loading again changes nothing: data and passwords stay as they are. A database of
    an earlier version is migrated, which keeps its rows.

    \b
    Examples:
      zava init                          the embedded PostgreSQL
      zava init --scale 0.1 --admin-url postgresql://postgres@db.example/retail
      zava init --migrate --dry-run      what a migration would do
    """
    from zava.admin.database import open_loader

    settings = Settings.load(admin_url=admin_url)
    if password and settings.is_embedded and not settings.admin_url.get_secret_value():
        raise ConfigurationError(
            "the embedded PostgreSQL has no passwords: leave --password out, or name a"
            " database of yours with --admin-url"
        )
    if dry_run:
        with open_loader(settings) as (loader, _):
            needed = loader.needs_migration()
            click.echo(loader.migration_plan() if needed else "nothing to migrate")
        return
    with open_loader(settings, create=True) as (loader, embedded):
        with loader.alone():
            is_new_login = not loader.has_server_login()
            if loader.needs_migration():
                migrate_schema(loader, is_agreed=migrate)
            else:
                if warnings := loader.load_schema():
                    click.echo(warnings, err=True)
                click.echo("schema: loaded")
            if not no_seed:
                load_seed(loader, scale, as_of.date() if as_of else None)
                embed_locally(settings, loader)
            if loader.has_data() and (done := run_refresh(loader)).days:
                click.echo(described(done))
        if embedded:
            click.echo("login: zava_server, through the embedded server's own socket")
        elif not (password or is_new_login):
            click.echo(
                "login: zava_server, as it was; --password TEXT gives it a new password"
            )
        else:
            secret = password or secrets.token_urlsafe(24)
            loader.set_server_password(secret)
            click.echo("login: zava_server; start the server with")
            click.echo(
                f"  ZAVA_DATABASE_URL={shlex.quote(loader.server_conninfo(secret))}"
            )
        click.echo("next: zava users")


@click.command()
@admin_url_option()
@explain_errors
def users(admin_url: str | None) -> None:
    """List who can be served: name, role, personal data, user id, stores.

    \b
    Example:
      zava users
    """
    from zava.admin.database import open_loader
    from zava.cli.console import print_table

    with open_loader(Settings.load(admin_url=admin_url)) as (loader, _):
        listed = loader.list_users()
    print_table(
        ("name", "role", "personal data", "user id", "stores"),
        [
            (
                u.name,
                u.role_name,
                "yes" if u.personal_data else "no",
                str(u.user_id),
                ", ".join(u.stores),
            )
            for u in listed
        ],
    )


def migrate_schema(loader: DatabaseLoader, *, is_agreed: bool) -> None:
    """Print the plan, ask on a terminal unless it is agreed, and migrate."""
    from zava.cli.console import progress_bar

    if not (is_agreed or sys.stdin.isatty()):
        raise ConfigurationError(
            "this database has version 1 of the schema and needs a migration, which"
            " keeps the rows: run `zava init --migrate`, and with --dry-run first to"
            " see what it does"
        )
    click.echo(loader.migration_plan())
    if not (is_agreed or click.confirm("Migrate now?")):
        raise ConfigurationError("not migrated: nothing was changed")
    hints: list[str] = []
    with progress_bar("migrating the schema") as on_step:
        warnings = loader.migrate(on_step, hints.append)
    if warnings:
        click.echo(warnings, err=True)
    click.echo("schema: migrated to version 2")
    click.echo("\n".join(hints).strip())


def load_seed(loader: DatabaseLoader, scale: float, as_of: date | None) -> None:
    """Load the seed with a progress bar, unless there is data."""
    from zava.cli.console import progress_bar

    if loader.has_data():
        click.echo("seed: left alone, there is data already")
        return
    with progress_bar("loading the seed") as on_step:
        loader.load_seed(scale, as_of.isoformat() if as_of else None, on_step)
    click.echo("seed: loaded")
