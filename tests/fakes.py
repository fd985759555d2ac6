"""Plain stand-ins for what a unit test must hold in its own hands."""

from __future__ import annotations

from typing import Any, cast

from zava.infra.error_context import error_handling_context
from zava.protocol.server import RetailServer
from zava.protocol.tools import Services
from zava.protocol.workers import WorkerThreads


class FakeClock:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the current reading, as `time.monotonic` does."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def server_with(**given: Any) -> RetailServer:
    """Return a server with every tool, and nothing behind them but what is given."""
    parts = dict.fromkeys(Services.__dataclass_fields__, cast("Any", None))
    return RetailServer(
        error_handling_context,
        Services(**{**parts, "workers": WorkerThreads(2), **given}),
    )
