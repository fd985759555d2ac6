"""What `zava doctor` sees of a database."""

from __future__ import annotations

from tests.people import SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.models import PostureCheck
from zava.service.admission import examine


def look(conninfo: str, user_id: str = SEATTLE) -> dict[str, PostureCheck]:
    """Return every check by its name.

    Args:
        conninfo: Of the server's login.
        user_id: Who is served; "" for nobody.
    """
    provider = PostgreSQLProvider({"conninfo": conninfo, "min_size": 1})
    provider.open()
    try:
        return {c.name: c for c in examine(provider, user_id, frozenset())}
    finally:
        provider.close()
