"""Which category somebody names."""

from __future__ import annotations

from uuid import UUID

from zava.data.product_data import list_categories
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.models import Identity


class CategoryNames:
    """Looks up categories by name.

    Args:
        provider: Where the rows come from.
        cache: Where the names are kept.
    """

    def __init__(self, provider: PostgreSQLProvider, cache: QueryCache) -> None:
        self._provider = provider
        self._cache = cache

    def key(
        self, name: str | None, identity: Identity, *, fresh: bool = False
    ) -> UUID | None:
        """Return the key of the category of that name; None for None.

        Args:
            name: A category's name, or a part of it that only one has.
            identity: Who asks.
            fresh: Read the categories even if they are kept.

        Raises:
            ValidationError: There is no such category, or several.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        if name is None:
            return None
        key = self._cache.key("categories", identity.schema_version)
        categories: dict[str, UUID]
        categories, _ = self._cache.obtain(
            key,
            lambda: list_categories(self._provider.fetch_all, identity),
            fresh=fresh,
            kind="categories",
        )
        wanted = name.strip().casefold()
        matching = [n for n in categories if n.casefold() == wanted] or [
            n for n in categories if wanted and wanted in n.casefold()
        ]
        if len(matching) != 1:
            raise ValidationError(
                "category", name, f"must be one of {', '.join(sorted(categories))}"
            )
        return categories[matching[0]]
