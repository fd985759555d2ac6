"""Plain stand-ins for what a unit test must hold in its own hands."""

from __future__ import annotations


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
