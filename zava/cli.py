"""The `zava` command. Each subcommand parses, calls one object and prints."""

from __future__ import annotations

import functools
import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

import zava
from zava.client_config import CONFIG_FILES, client_config
from zava.errors import ConfigurationError, MCPError
from zava.settings import PREFIX, Settings

if TYPE_CHECKING:
    from zava.data.loading import DatabaseLoader

T = TypeVar("T")

_admin_url = click.option(
    "--admin-url",
    metavar="CONNINFO",
    help="Connection of a role that may create roles and tables"
    " (ZAVA_ADMIN_URL); by default the embedded PostgreSQL's.",
)


def _explain_errors(command: Callable[..., T]) -> Callable[..., T]:
    """A failure is one line with a remedy, and a non-zero exit status."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> T:
        try:
            return command(*args, **kwargs)
        except MCPError as exc:
            click.echo(f"zava: {exc.message}", err=True)
            sys.exit(1)

    return wrapper


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zava.__version__, prog_name="zava")
def main() -> None:
    """Let an AI assistant ask questions of a retail chain's PostgreSQL.

    \b
    First steps:
      zava demo                          see it work
      zava users                         who can be served
      zava client-config vscode --user ID    connect your assistant
    """


@main.command()
@click.option("--user", metavar="ID", help="User id to serve (ZAVA_RLS_USER_ID).")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Loopback port of the Prometheus metrics, 0 for any (ZAVA_METRICS_PORT).",
)
@_explain_errors
def serve(user: str | None, metrics_port: int | None) -> None:
    """Serve one person over stdio; this is what an MCP client starts.

    \b
    Example:
      zava serve --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    _keep_descriptor_2()
    from zava.bootstrap import MCPServerManager

    settings = Settings.load(rls_user_id=user, metrics_port=metrics_port)
    with MCPServerManager(settings) as manager:
        status = manager.run()
    sys.exit(status)


@main.command()
@_admin_url
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
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
    metavar="TEXT",
    help="Password of the server's login; by default a generated one.",
)
@_explain_errors
def init(
    admin_url: str | None,
    scale: float,
    as_of: datetime | None,
    no_seed: bool,
    password: str | None,
) -> None:
    """Load schema and seed into a database and give the server its login.

    Loading again changes nothing: data that is there stays as it is.

    \b
    Examples:
      zava init                          the embedded PostgreSQL
      zava init --scale 0.1 --admin-url postgresql://postgres@db.example/retail
    """
    from zava.administration import open_loader

    settings = Settings.load(admin_url=admin_url)
    with open_loader(settings, create=True) as (loader, embedded):
        warnings = loader.load_schema()
        if warnings:
            click.echo(warnings, err=True)
        click.echo("schema: loaded")
        if not no_seed:
            _load_seed(loader, scale, as_of.date() if as_of else None)
        if embedded:
            click.echo("login: zava_server, through the embedded server's own socket")
        else:
            secret = password or secrets.token_urlsafe(24)
            loader.set_server_password(secret)
            click.echo("login: zava_server; start the server with")
            click.echo(
                f"  ZAVA_DATABASE_URL={shlex.quote(loader.server_conninfo(secret))}"
            )
        click.echo("next: zava users")


@main.command()
@_admin_url
@_explain_errors
def users(admin_url: str | None) -> None:
    """List who can be served: name, role, stores, user id.

    \b
    Example:
      zava users
    """
    from zava.administration import open_loader
    from zava.console import print_table

    with open_loader(Settings.load(admin_url=admin_url)) as (loader, _):
        listed = loader.list_users()
    print_table(
        ("name", "role", "stores", "user id"),
        [(u.name, u.role_name, ", ".join(u.stores), str(u.user_id)) for u in listed],
    )


@main.command()
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Size of the seed, if it is not loaded yet.",
)
@_explain_errors
def demo(scale: float) -> None:
    """Show it all at work on the embedded PostgreSQL.

    \b
    Example:
      zava demo
    """
    from zava.administration import open_loader
    from zava.demo import run_demo

    # The demonstration is the same for everyone, whatever is configured.
    settings = Settings.load(database_url="", db_host="", admin_url="")
    with open_loader(settings, create=True) as (loader, _):
        if not loader.has_schema() or not loader.has_data():
            loader.load_schema()
            _load_seed(loader, scale, None)
        run_demo(settings, loader.list_users())


@main.command()
@_explain_errors
def settings() -> None:
    """Print every setting, its value and where that comes from; secrets are masked.

    \b
    Example:
      zava settings
    """
    from zava.console import print_table

    loaded, origins = Settings.load(), Settings.origins()

    def row(name: str) -> tuple[str, str, str, str]:
        value = getattr(loaded, name)
        meaning = Settings.model_fields[name].description or ""
        shown = "" if value is None else str(value)
        return f"{PREFIX}{name.upper()}", shown, origins[name], meaning

    print_table(
        ("setting", "value", "from", "meaning"), map(row, Settings.model_fields)
    )


@main.command("client-config")
@click.argument("client", type=click.Choice(list(CONFIG_FILES)))
@click.option("--user", metavar="ID", help="User id to serve (ZAVA_RLS_USER_ID).")
@_explain_errors
def print_client_config(client: str, user: str | None) -> None:
    """Print the JSON that makes an MCP client start the server.

    \b
    Example:
      zava client-config vscode --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    from zava.data.identity import parse_user_id

    settings = Settings.load(rls_user_id=user)
    if not settings.rls_user_id:
        raise ConfigurationError("give --user ID; `zava users` lists the ids")
    parse_user_id(settings.rls_user_id)
    click.echo(f"paste into {CONFIG_FILES[client]}:", err=True)
    click.echo(json.dumps(client_config(client, settings), indent=2))


def _load_seed(loader: DatabaseLoader, scale: float, as_of: date | None) -> None:
    from zava.console import progress_bar

    if loader.has_data():
        click.echo("seed: left alone, there is data already")
        return
    with progress_bar("loading the seed") as on_step:
        loader.load_seed(scale, as_of.isoformat() if as_of else None, on_step)
    click.echo("seed: loaded")


def _keep_descriptor_2() -> None:
    """Without a stderr, the next file that is opened would become it."""
    if sys.stderr is None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
