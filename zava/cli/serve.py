"""`zava serve`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import ExitStack
from typing import Any

import click

from zava.cli.command import explain_errors
from zava.cli.doctor import allow_option
from zava.errors import MCPError
from zava.protocol.deadline import Deadline
from zava.protocol.start_failure import refuse_client
from zava.settings import Settings


@click.command()
@click.option("--user", metavar="ID", help="User id to serve (ZAVA_RLS_USER_ID).")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Loopback port of the Prometheus metrics, 0 for any (ZAVA_METRICS_PORT).",
)
@allow_option
@explain_errors
def serve(user: str | None, metrics_port: int | None, allow: tuple[str, ...]) -> None:
    """Serve one person over stdio; this is what an MCP client starts.

    Refuses a database that does not pass the checks of `zava doctor`.

    \b
    Example:
      zava serve --user f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    _keep_descriptor_2()
    _end_on_signals()
    # Nothing that the imports make is garbage: to look through it again and again
    # takes a sixth of the start.
    gc.disable()
    from zava.bootstrap import MCPServerManager

    with ExitStack() as stack:
        try:
            settings = Settings.load(
                rls_user_id=user,
                metrics_port=metrics_port,
                allow=",".join(allow) or None,
            )
            manager = stack.enter_context(MCPServerManager(settings))
        except MCPError as exc:
            refuse_client(exc.message)
            raise
        manager.limit_memory()
        gc.freeze()  # nor is it looked through while calls are answered
        gc.enable()
        status = manager.run()
    _let_go_of_stderr()
    gc.freeze()  # the end of the process would take longer to collect than to exit
    sys.exit(status)


def _end_on_signals() -> None:
    """Until the transport takes them over, a signal ends the start in order."""
    deadline = Deadline()

    def end(number: int, _frame: Any) -> None:
        deadline.start(128 + number)
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, end)


def _keep_descriptor_2() -> None:
    """Without a stderr, the next file that is opened would become it."""
    if sys.stderr is None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)


def _let_go_of_stderr() -> None:
    """What a full disk did not take must not become the exit status."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
