"""`zava login`: database logins that are bound to people."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from zava.cli.command import explain_errors
from zava.cli.options import Filled, admin_url_option
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.loading import DatabaseLoader
    from zava.admin.logins import BoundLogins

_EMBEDDED_NOTE = (
    "The embedded PostgreSQL trusts whoever reaches its socket, which is this"
    " machine's user alone: a login there shows how it works and keeps nobody out."
)


@click.group()
def login() -> None:
    """Give people database logins that can act as nobody else.

    Who has the password of such a login reads the stores of its people, with
    zava, psql or any other program, and no other store.

    \b
    Example:
      zava login add seattle --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """


@login.command("add")
@click.argument("name")
@click.option(
    "--user",
    "users",
    metavar="ID",
    multiple=True,
    required=True,
    help="User id that the login may act as; may be given several times.",
)
@click.option(
    "--password",
    type=Filled(),
    metavar="TEXT",
    help="Password of the login; by default a generated one.",
)
@admin_url_option()
@explain_errors
def add_login(
    name: str, users: tuple[str, ...], password: str | None, admin_url: str | None
) -> None:
    """Make a login, or let one that is there act as more people.

    \b
    Example:
      zava login add seattle --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    with _open_logins(admin_url) as (logins, loader, embedded), loader.alone():
        able = {entry.name for entry in logins.list_all() if entry.can_login}
        is_new = name not in able
        if password is None and is_new:
            password = secrets.token_urlsafe(24)
        bound = logins.add(name, users, password)
    click.echo(f"login: {name}, may act as {', '.join(bound.people)}")
    if embedded:
        variable = f"ZAVA_DB_USER={name}"
        click.echo(_EMBEDDED_NOTE, err=True)
    elif password is None:
        click.echo("password: as it was")
        return
    else:
        url = loader.server_conninfo(password, name)
        variable = f"ZAVA_DATABASE_URL={shlex.quote(url)}"
    click.echo("start the server with")
    click.echo(f"  {variable}")
    click.echo("or enter it in the person's MCP client, on their machine, with")
    click.echo(
        f"  {variable} zava client-config --write claude-desktop --user {users[0]}"
    )


@login.command("list")
@admin_url_option()
@explain_errors
def list_logins(admin_url: str | None) -> None:
    """List the logins and the people that each may act as.

    \b
    Example:
      zava login list
    """
    from zava.cli.console import print_table

    with _open_logins(admin_url) as (logins, _, _):
        listed = logins.list_all()
    print_table(
        ("login", "may act as", "user ids", "can log in"),
        [
            (
                entry.name,
                ", ".join(entry.people) or "nobody",
                ", ".join(map(str, entry.user_ids)),
                "yes" if entry.can_login else "no",
            )
            for entry in listed
        ],
    )


@login.command("remove")
@click.argument("name")
@admin_url_option()
@explain_errors
def remove_login(name: str, admin_url: str | None) -> None:
    """Take everything from a login and drop it.

    \b
    Example:
      zava login remove seattle
    """
    with _open_logins(admin_url) as (logins, _, _):
        logins.remove(name)
    click.echo(f"login: {name} removed")


@contextmanager
def _open_logins(
    admin_url: str | None,
) -> Iterator[tuple[BoundLogins, DatabaseLoader, bool]]:
    from zava.admin.database import open_loader
    from zava.admin.logins import BoundLogins

    with open_loader(Settings.load(admin_url=admin_url)) as (loader, embedded):
        yield BoundLogins(loader), loader, embedded
