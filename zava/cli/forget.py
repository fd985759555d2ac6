"""`zava forget-customer`: the orders stay, the person goes."""

from __future__ import annotations

import click

from zava.cli.command import explain_errors
from zava.cli.options import OF_A_LOADER, admin_url_option
from zava.settings import Settings


@click.command(name="forget-customer")
@click.argument("key", metavar="SOURCE_ID_OR_ID")
@admin_url_option(OF_A_LOADER)
@explain_errors
def forget_customer(key: str, admin_url: str | None) -> None:
    """Empty what tells who a customer is: names, e-mail, loyalty number, sign-up.

    Orders and figures stay as they are. Later imports do not bring the person back. To
    forget somebody twice changes nothing.

    \b
    Example:
      zava forget-customer 900
    """
    from zava.admin.customers import forget_customer as forget
    from zava.admin.database import open_loader
    from zava.cli.console import counted

    with open_loader(Settings.load(admin_url=admin_url)) as (loader, _):
        done = forget(loader, key)
    before = " before already" if done.was_forgotten else ""
    orders = (
        f"{counted(done.orders, 'order')} {'stays' if done.orders == 1 else 'stay'}"
    )
    click.echo(f"forgotten{before}: {done.customer_id}; {orders}")
