"""Choices: who the person served is, and what they can name in a question."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.models import Identity
from zava.service.queries.catalog import SchemaCatalog
from zava.service.sales.stores import Visible, VisibleStores


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

    def person(self, rls_user_id: str) -> dict[str, Any]:
        """Return who a person is, their stores, and the last day with orders.

        Raises:
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
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
            "stores": [
                {"name": store.name, "region": store.region, "online": store.is_online}
                for store in visible.stores
            ],
        }

    def _seen(self, rls_user_id: str) -> tuple[Identity, Visible]:
        identity = self._provider.resolve_identity(rls_user_id)
        return identity, self._visible.of(identity)
