"""The `zava` command. Each subcommand parses, calls one object and prints."""

from __future__ import annotations

import click

import zava
from zava.cli.access import login
from zava.cli.database import init, users
from zava.cli.doctor import doctor
from zava.cli.embedding import embed
from zava.cli.errors import Commands, prepare_streams
from zava.cli.serving import serve
from zava.cli.showing import demo, print_client_config, settings


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zava.__version__, prog_name="zava")
@click.pass_context
def main(context: click.Context) -> None:
    """Let an AI assistant ask questions of a retail chain's PostgreSQL.

    \b
    First steps:
      zava demo                          see it work
      zava users                         who can be served
      zava doctor --user ID              whether the database keeps stores apart
      zava client-config vscode --user ID    connect your assistant
    """
    prepare_streams(is_serving=context.invoked_subcommand == "serve")


for command in (
    serve,
    doctor,
    init,
    embed,
    users,
    login,
    demo,
    settings,
    print_client_config,
):
    main.add_command(command)
