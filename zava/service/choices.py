"""Choices: who the person served is, and what they can name in a question."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.answer_age import reading, told
from zava.infra.cache import QueryCache
from zava.models import Identity
from zava.service.metrics.values import FilterValues
from zava.service.queries.catalog import SchemaCatalog
from zava.service.sales.periods import offered_periods, parse_period
from zava.service.sales.stores import Visible, VisibleStores, means_all, stores_seen

ALL = "all"
"""Names all stores that a person sees."""

_LONGEST = 200
_NEAR = 5


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Choices:
    """Answers from the rows that a person sees, and from nothing else.

    Args:
        provider: Where the rows come from.
        cache: Where they are kept; what other services keep there is used.
        catalog: Knows until which day the data reach.
        clock: Now, UTC.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        cache: QueryCache,
        catalog: SchemaCatalog,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._provider = provider
        self._catalog = catalog
        self._visible = VisibleStores(provider, cache, clock)
        self._values = FilterValues(provider, cache)

    def person(self, rls_user_id: str) -> dict[str, Any]:
        """Return who a person is, their stores by region, and the last day with orders.

        `as_of` is the time up to which this is complete.

        Raises:
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        with reading() as read:
            identity, visible = self._seen(rls_user_id)
            through = self._catalog.person(rls_user_id).data_through
        return {
            "name": identity.display_name,
            "role": identity.group,
            "reads_personal_data": identity.reads_personal_data,
            "is_head_office": visible.is_chain,
            "data_through": through and str(through),
            "currency": visible.currency,
            "store_count": len(visible.stores),
            "stores": {
                region or "no region": [
                    store.name for store in visible.stores if store.region == region
                ]
                for region in [*_regions(visible), None]
                if any(store.region == region for store in visible.stores)
            },
            "online_stores": [
                store.name for store in visible.stores if store.is_online
            ],
            "as_of": told(read.as_of),
        }

    def places(self, rls_user_id: str) -> list[str]:
        """Return the names of a person's stores, then of their regions."""
        _, visible = self._seen(rls_user_id)
        return [*(store.name for store in visible.stores), *_regions(visible)]

    def regions(self, rls_user_id: str) -> list[str]:
        """Return the regions of a person's stores."""
        return _regions(self._seen(rls_user_id)[1])

    def categories(self, rls_user_id: str) -> list[str]:
        """Return the categories at the top of the tree."""
        identity, _ = self._seen(rls_user_id)
        return self._values.names("category", identity)

    def periods(self, rls_user_id: str) -> list[str]:
        """Return periods, the words first, then months and the like with data."""
        _, visible = self._seen(rls_user_id)
        through = self._catalog.person(rls_user_id).data_through
        last = visible.today if through is None else min(through, visible.today)
        return offered_periods(last, visible.calendar)

    def place(self, text: str, rls_user_id: str) -> str:
        """Return how the store or region is written that a text names; or `ALL`.

        Raises:
            ValidationError: Several stores match, or the text is too long.
            AuthorizationError: None does; names near ones.
        """
        _check_length("store", text)
        if means_all(text):
            return ALL
        identity, visible = self._seen(rls_user_id)
        found = stores_seen("store", text.strip(), visible, identity)
        return found[0].name if len(found) == 1 else str(found[0].region)

    def region(self, text: str, rls_user_id: str) -> str:
        """Return how the region is written that a text names.

        Raises:
            ValidationError: The person has no store in such a region; names near ones.
        """
        wanted = text.strip().casefold().removesuffix(" region")
        return _one_of("region", wanted, self.regions(rls_user_id))

    def category(self, text: str, rls_user_id: str) -> str:
        """Return how the category is written that a text names.

        Raises:
            ValidationError: There is no such category; names near ones.
        """
        return _one_of("category", text, self.categories(rls_user_id))

    def period(self, text: str, rls_user_id: str) -> str:
        """Return the form of `periods.FORMS` that stands for a text.

        Raises:
            ValidationError: There is none; lists the forms.
        """
        _check_length("period", text)
        _, visible = self._seen(rls_user_id)
        try:
            return parse_period(text, visible.today, visible.calendar).name
        except ValidationError as exc:
            raise ValidationError("period", text, exc.constraint) from exc

    def _seen(self, rls_user_id: str) -> tuple[Identity, Visible]:
        identity = self._provider.resolve_identity(rls_user_id)
        return identity, self._visible.of(identity)


def _regions(visible: Visible) -> list[str]:
    return sorted({store.region for store in visible.stores if store.region})


def _check_length(field: str, text: str) -> None:
    if len(text) > _LONGEST:
        raise ValidationError(field, text, f"takes at most {_LONGEST} characters")


def _one_of(field: str, text: str, names: Sequence[str]) -> str:
    """Return the name that a text is, or the only one that holds the text."""
    _check_length(field, text)
    wanted = text.strip().casefold()
    folded = {name.casefold(): name for name in names}
    if wanted in folded:
        return folded[wanted]
    held = [name for fold, name in folded.items() if wanted in fold]
    if len(held) == 1:
        return held[0]
    close = [folded[one] for one in difflib.get_close_matches(wanted, folded, _NEAR)]
    listed = (held or close or list(names))[:_NEAR]
    near = f"; near: {', '.join(listed)}" if listed else ""
    raise ValidationError(field, text, f"there is no {field} {text[:80]}{near}")
