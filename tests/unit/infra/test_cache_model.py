"""QueryCache against a dict that does the same, over any sequence of calls."""

from __future__ import annotations

import math
from collections import OrderedDict

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.fakes import FakeClock
from zava.infra.cache import QueryCache

TTL = 10.0
MAX_ENTRIES = 3
MAX_BYTES = 12

keys = st.sampled_from("abcdef")
values = st.text("x", max_size=14) | st.none()
ttls = st.none() | st.sampled_from([0.0, 1.0, 5.0, 30.0])


class CacheMachine(RuleBasedStateMachine):
    """The model: key -> (value, expiry), least recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.cache = QueryCache(
            ttl=TTL,
            max_entries=MAX_ENTRIES,
            max_bytes=MAX_BYTES,
            weigh=len,
            clock=self.clock,
        )
        self.model: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def expected(self, key: str) -> str | None:
        """Return what should be kept, used just now."""
        value, expiry = self.model.get(key, (None, -math.inf))
        if expiry <= self.clock.now:
            return None
        self.model.move_to_end(key)
        return value

    def keep(self, key: str, value: str | None, ttl: float | None) -> None:
        """Replace what the model holds, and cut it down to the ceilings."""
        ttl = TTL if ttl is None else ttl
        self.model.pop(key, None)
        if value is None or ttl <= 0 or len(value) > MAX_BYTES:
            return
        for old in [k for k, (_, end) in self.model.items() if end <= self.clock.now]:
            del self.model[old]
        self.model[key] = (value, self.clock.now + ttl)
        while (
            len(self.model) > MAX_ENTRIES
            or sum(len(kept) for kept, _ in self.model.values()) > MAX_BYTES
        ):
            self.model.popitem(last=False)

    @rule(key=keys, value=values, ttl=ttls)
    def ask(self, key: str, value: str | None, ttl: float | None) -> None:
        """What is kept comes back; else the query runs, and its result is kept."""
        runs: list[str] = []

        def query() -> str | None:
            runs.append(key)
            return value

        kept = self.expected(key)
        result = self.cache.get_cached_result(key, query, ttl)
        if kept is not None:
            assert (result, runs) == (kept, [])
        else:
            assert (result, runs) == (value, [key])
            self.keep(key, value, ttl)

    @rule(key=keys, value=values, ttl=ttls)
    def refresh(self, key: str, value: str | None, ttl: float | None) -> None:
        """The query runs whatever is kept."""
        obtained = self.cache.obtain(key, lambda: value, fresh=True, ttl=ttl)
        assert obtained == (value, False)
        self.keep(key, value, ttl)

    @rule(key=keys)
    def peek(self, key: str) -> None:
        """What is kept comes back, or nothing."""
        assert self.cache.peek(key) == self.expected(key)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @invariant()
    def ceilings_hold(self) -> None:
        """Never more than allowed, and nobody waits for ever."""
        assert len(self.cache._entries) <= MAX_ENTRIES
        assert self.cache._entries.currsize <= MAX_BYTES
        assert self.cache._flights == {}


test_cache_does_what_a_dict_would = CacheMachine.TestCase
test_cache_does_what_a_dict_would.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, phases=[Phase.generate]
)
