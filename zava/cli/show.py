"""`zava demo`, `zava settings` and `zava client-config`: what there is to see."""

from __future__ import annotations

import json

import click

from zava.cli.client_config import CONFIG_FILES, client_config
from zava.cli.command import explain_errors
from zava.cli.embed import embed_locally
from zava.cli.init import Scale, load_seed
from zava.errors import ConfigurationError
from zava.settings import CONNECTION_SETTINGS, PREFIX, Settings


@click.command()
@click.option(
    "--scale",
    type=Scale(),
    default=1.0,
    show_default=True,
    help="Size of the seed, if it is not loaded yet.",
)
@explain_errors
def demo(scale: float) -> None:
    """Show it all at work on the embedded PostgreSQL.

    \b
    Example:
      zava demo
    """
    from zava.admin.database import open_loader
    from zava.admin.logins import BoundLogins
    from zava.admin.totals import refresh_totals
    from zava.ai.client import with_local_embedding
    from zava.cli.demo import run_demo

    # The demonstration is the same for everyone, whatever is configured.
    nothing = dict.fromkeys((*CONNECTION_SETTINGS, "admin_url"), "")
    settings = with_local_embedding(Settings.load(**nothing))
    with open_loader(settings, create=True) as (loader, _):
        with loader.alone():
            loader.load_schema()  # also brings that of an earlier version up to date
            if not loader.has_data():
                load_seed(loader, scale, None)
            embed_locally(settings, loader)
            refresh_totals(loader, lambda _step, _steps, _name: None)
        run_demo(settings, loader.list_users(), BoundLogins(loader))


@click.command()
@explain_errors
def settings() -> None:
    """Print every setting, its value and where that comes from; secrets are masked.

    \b
    Example:
      zava settings
    """
    from zava.cli.console import print_table

    loaded, origins = Settings.load(), Settings.origins()

    def row(name: str) -> tuple[str, str, str, str]:
        value = getattr(loaded, name)
        meaning = Settings.model_fields[name].description or ""
        shown = "" if value is None else str(value)
        return f"{PREFIX}{name.upper()}", shown, origins[name], meaning

    print_table(
        ("setting", "value", "from", "meaning"), map(row, Settings.model_fields)
    )


@click.command("client-config")
@click.argument("client", type=click.Choice(list(CONFIG_FILES)))
@click.option("--user", metavar="ID", help="User id to serve (ZAVA_RLS_USER_ID).")
@explain_errors
def print_client_config(client: str, user: str | None) -> None:
    """Print the JSON that makes an MCP client start the server.

    \b
    Example:
      zava client-config vscode --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    from zava.admin.logins import may_act_as_anyone
    from zava.data.identity import parse_user_id

    settings = Settings.load(rls_user_id=user)
    if not settings.rls_user_id:
        raise ConfigurationError("give --user ID; `zava users` lists the ids")
    parse_user_id(settings.rls_user_id)
    if may_act_as_anyone(settings.database_url.get_secret_value(), settings.db_user):
        click.echo(
            "this connects as a login that may act as anyone: for a person's own"
            " machine give it a login of its own, `zava login add --help`",
            err=True,
        )
    click.echo(f"paste into {CONFIG_FILES[client]}:", err=True)
    click.echo(json.dumps(client_config(client, settings), indent=2))
