"""How the parts of the server are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from zava.errors import MCPError

Probe = Callable[[], str | None]
"""Checks that a part answers; returns a fault that remains all the same, or "".

It raises an MCPError if the part does not answer."""

Watch = Callable[[str], AbstractContextManager[Any]]


def check_health(probes: Mapping[str, Probe | None], watch: Watch) -> dict[str, str]:
    """Return how each part is; never raises, and no probe stops another.

    Args:
        probes: By the part's name; None for a part that is not configured.
        watch: Opens the error context of a probe, which turns whatever a probe
            raises into an MCPError.

    Returns:
        `healthy`, `disabled` (not configured), or `degraded: ` or `unhealthy: ` and
        why.
    """
    return {name: _health(probe, watch) for name, probe in probes.items()}


def _health(probe: Probe | None, watch: Watch) -> str:
    if probe is None:
        return "disabled"
    try:
        with watch("health_probe"):
            fault = probe()
    except MCPError as exc:
        return f"unhealthy: {exc.message}"
    return f"degraded: {fault}" if fault else "healthy"
