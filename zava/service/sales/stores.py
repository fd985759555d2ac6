"""VisibleStores: which stores a person sees, and which of them are meant by a name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import AuthorizationError, ValidationError
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity
from zava.service.sales.calendars import Calendar
from zava.service.sales.performance_models import Store

LISTED = 10
"""How many names an error lists."""

PART_OF_REGION = "a region's figures are of the stores that you see in it"
"""What is said to everybody but head office, so that nobody learns who sees it all."""

_MAX_STORES = 100_000
_ALL = frozenset({"all", "all stores", "every store", "*"})


class Visible(NamedTuple):
    """The stores that a person sees, and what holds for all of them.

    Attributes:
        stores: By name.
        currency: ISO 4217 code.
        calendar: The chain's.
        today: The business day that it is for the whole chain.
        day_ends_at: When that day ends; None for no stores.
        main_unit: The unit of measure that products are counted in: piece, or the most
            usual one where no product is counted in pieces.
        is_chain: Whether these are all stores of the chain, and the person head office.
    """

    stores: tuple[Store, ...]
    currency: str
    calendar: Calendar
    today: date = date.min
    day_ends_at: datetime | None = None
    main_unit: str = "piece"
    is_chain: bool = False

    def is_over(self, now: datetime) -> bool:
        """Whether some store's day has ended since this was read."""
        ends = [store.day_ends_at for store in self.stores]
        if self.day_ends_at is not None:
            ends.append(self.day_ends_at)
        return any(now >= end for end in ends)

    def day_of(self, stores: Sequence[Store]) -> date:
        """Return the day that it is in some stores.

        The chain's where they have several time zones.
        """
        zones = {store.time_zone for store in stores}
        return stores[0].today if len(zones) == 1 else self.today


class _Chain(BaseModel):
    """What `visible_stores` says of the chain, in every row."""

    currency: str
    chain_today: date
    chain_day_ends_at: datetime
    main_unit: str
    is_chain: bool


class VisibleStores:
    """Keeps which stores a person sees.

    Args:
        provider: Where the rows come from.
        cache: Where they are kept.
        clock: Now, UTC.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        cache: QueryCache,
        clock: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._clock = clock

    def of(self, identity: Identity, *, fresh: bool = False) -> Visible:
        """Return the stores that a person sees.

        Kept as long as the identity itself, or until a store's day ends; row level
        security still decides about every row that is read afterwards.

        Args:
            identity: The person.
            fresh: Ask the database even if the stores are kept.

        Raises:
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """

        def read() -> Visible:
            query = Query(statement("visible_stores"), {"now": self._clock()})
            (result,) = self._provider.fetch_all(
                [query], identity, _MAX_STORES, operation="performance"
            )
            rows = result.dicts()
            if not rows:
                return Visible((), "", Calendar())
            calendar = {name: rows[0][name] for name in Calendar.model_fields}
            chain = _Chain.model_validate(rows[0])
            return Visible(
                tuple(Store.model_validate(row) for row in rows),
                chain.currency,
                Calendar.model_validate(calendar),
                chain.chain_today,
                chain.chain_day_ends_at,
                chain.main_unit,
                chain.is_chain,
            )

        key = self._key(identity)
        sharing = Sharing(identity, Visible)
        obtain = partial(self._cache.obtain, key, read, sharing=sharing)
        visible: Visible
        visible, _ = obtain(fresh=fresh)
        if visible.is_over(self._clock()):
            visible, _ = obtain(fresh=True)
        return visible

    def peek(self, identity: Identity) -> Visible | None:
        """Return the kept stores of a person, or None; never waits for anything."""
        visible: Visible | None = self._cache.peek(self._key(identity))
        if visible is None or visible.is_over(self._clock()):
            return None
        return visible

    def _key(self, identity: Identity) -> str:
        return self._cache.key("visible_stores", identity)


def means_all(name: str) -> bool:
    """Tell whether a name stands for all stores that a person sees."""
    return name.strip().casefold() in _ALL


def means_region(name: str, stores: Sequence[Store]) -> bool:
    """Tell whether a name is that of a region of some stores, and of none of them."""
    wanted = name.strip().casefold()
    regions = {(store.region or "").casefold() for store in stores} - {""}
    names = {store.name.casefold() for store in stores}
    return wanted.removesuffix(" region") in regions and wanted not in names


def stores_called(field: str, name: str, stores: Sequence[Store]) -> list[Store]:
    """Return the store of a name or id, or the stores of a region; none if none is.

    A whole name comes before a part of one: the region East is not the store Eastgate.

    Args:
        field: The argument that the name comes from.
        name: A store's id, name or part of its name, or a region; in any case.
        stores: The stores that the caller sees.

    Raises:
        ValidationError: Several stores match; names the first ones.
    """
    wanted = name.strip()
    if not wanted:
        return []
    try:
        # UUID() would also take digits of other scripts, and 1_2 as 12.
        store_id = UUID(wanted if wanted.isascii() and "_" not in wanted else "")
    except ValueError:
        pass
    else:
        return [store for store in stores if store.store_id == store_id]
    wanted = wanted.casefold()
    region = wanted.removesuffix(" region")
    of_region = [store for store in stores if (store.region or "").casefold() == region]
    matches = [store for store in stores if store.name.casefold() == wanted]
    if not matches and of_region:
        return of_region
    matches = matches or [store for store in stores if wanted in store.name.casefold()]
    if len(matches) > 1:
        names = ", ".join(store.name for store in matches[:LISTED])
        more = f" and {len(matches) - LISTED} more" if len(matches) > LISTED else ""
        raise ValidationError(field, name, f"several stores match: {names}{more}")
    return matches


def stores_seen(
    field: str, name: str, visible: Visible, identity: Identity
) -> list[Store]:
    """Return what `stores_called` does, and at least one store.

    Raises:
        ValidationError: Several stores match; names the first ones.
        AuthorizationError: None does, whether or not there is such a store; names near
            ones that the caller sees.
    """
    found = stores_called(field, name, visible.stores)
    if found:
        return found
    own = {one.casefold(): one for store in visible.stores for one in _names_of(store)}
    close = difflib.get_close_matches(name.casefold(), own, 3, 0.4)
    listed = [own[one] for one in close] or list(own.values())[:3]
    raise AuthorizationError(
        f"Access denied for store {name[:80]}, or there is none; you see"
        f" {', '.join(listed)}{' and more' if len(own) > len(listed) else ''}",
        str(identity.user_id),
    )


def _names_of(store: Store) -> list[str]:
    return [store.name, store.region] if store.region else [store.name]
