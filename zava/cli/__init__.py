"""The `zava` command. Each subcommand parses, calls one object and prints."""

from __future__ import annotations

import click

import zava
from zava.cli.asking import query
from zava.cli.bundle import bundle
from zava.cli.command import Commands, prepare_streams
from zava.cli.connect import connect
from zava.cli.doctor import doctor
from zava.cli.embed import embed
from zava.cli.forget import forget_customer
from zava.cli.import_ import import_
from zava.cli.init import init, users
from zava.cli.login import login
from zava.cli.refresh import refresh
from zava.cli.serve import serve
from zava.cli.show import demo, settings


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zava.__version__, prog_name="zava")
@click.pass_context
def main(context: click.Context) -> None:
    """Let an AI assistant ask questions of a retail chain's PostgreSQL.

    \b
    First steps:
      zava demo                          see it work
      zava users                         who can be served
      zava query --user ID --metrics revenue --by store    ask it yourself
      zava doctor --user ID              whether the database keeps stores apart
      zava client-config --write vscode --user ID    connect your assistant
    """
    prepare_streams(is_serving=context.invoked_subcommand == "serve")


for command in (
    serve,
    query,
    doctor,
    init,
    import_,
    embed,
    refresh,
    forget_customer,
    users,
    login,
    demo,
    settings,
    connect,
    bundle,
):
    main.add_command(command)
