"""`zava doctor`: whether the database keeps stores apart."""

from __future__ import annotations

import json
import sys

import click

from zava.cli.command import explain_errors
from zava.settings import Settings

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
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: every object at fault, each with the SQL that mends it.",
)
@explain_errors
def doctor(user: str | None, allow: tuple[str, ...], as_json: bool) -> None:
    """Check that the database keeps stores apart, as the server's own login.

    Exit status 0 if nothing fails. `zava serve` makes the same checks and does
    not start if one fails.

    \b
    Example:
      zava doctor --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
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
