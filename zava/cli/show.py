"""`zava demo` and `zava settings`: what there is to see."""

from __future__ import annotations

import click

from zava.cli.command import explain_errors
from zava.cli.connect import ClientName, enter
from zava.cli.embed import embed_locally
from zava.cli.init import load_seed
from zava.cli.options import Scale
from zava.settings import CONNECTION_SETTINGS, PREFIX, Settings

DEMO_NAME = "zava-demo"
"""What a client calls the server on the demonstration's data."""


@click.command()
@click.option(
    "--scale",
    type=Scale(),
    default=1.0,
    show_default=True,
    help="Size of the seed, if it is not loaded yet.",
)
@click.option(
    "--write",
    "client",
    type=ClientName(),
    metavar="CLIENT",
    help="Also enter the demonstration in this MCP client, as head office.",
)
@explain_errors
def demo(scale: float, client: str | None) -> None:
    """Show it all at work on the embedded PostgreSQL.

    It ends with a chart. With the extra `charts` the chart is also written as a page,
    demo.html in the data folder.

    \b
    Examples:
      zava demo
      zava demo --write claude-desktop
    """
    from zava.admin.database import open_loader
    from zava.admin.embedded import default_data_dir
    from zava.admin.logins import BoundLogins
    from zava.admin.totals import refresh_totals
    from zava.ai.client import with_local_embedding
    from zava.cli.client_config import server_config
    from zava.cli.demo import HEAD_OFFICE, run_demo

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
        users = loader.list_users()
        file = (settings.data_dir or default_data_dir()) / "demo.html"
        run_demo(settings, users, BoundLogins(loader), file)
    if client is None:
        click.echo("Next: zava demo --write CLIENT, for an assistant on this data")
        return
    (head_office,) = (user for user in users if user.name == HEAD_OFFICE)
    served = settings.model_copy(update={"rls_user_id": str(head_office.user_id)})
    click.echo()
    enter(client, DEMO_NAME, server_config(served))
    click.echo(f"undo: zava client-config --remove {client} --name {DEMO_NAME}")


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
