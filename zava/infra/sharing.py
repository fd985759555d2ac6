"""What a cache and its second level say to each other about a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from zava.models import Identity


def _now() -> float:
    return datetime.now(timezone.utc).timestamp()


class Sharing(NamedTuple):
    """Who a result is for, and what it is.

    Attributes:
        identity: The only one whose processes are given the result.
        type: Its type; as JSON and back it is the same.
        is_shared: Whether this result may be given to another process.
    """

    identity: Identity
    type: Any
    is_shared: Callable[[Any], bool] = lambda _result: True


@dataclass(frozen=True)
class SharedOptions:
    """How results are shared through Redis.

    Attributes:
        scope: JSON values on which results depend besides question and identity;
            only processes with equal ones share.
        timeout: Seconds for one command and for a connection.
        patience: Seconds to wait for a result that another process is making.
        sleep: Waits that many seconds; may raise if nobody waits for the call.
        clock: Seconds since 1970.
    """

    scope: Any = field(default=None, repr=False)
    timeout: float = 0.05
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = _now


class Made(NamedTuple):
    """A result.

    Attributes:
        value: The result.
        ttl: Seconds that it may still be used.
        as_of: The time up to which what it was made from is complete, if known.
        by_another: Whether another process made it.
    """

    value: Any
    ttl: float
    as_of: datetime | None = None
    by_another: bool = False
