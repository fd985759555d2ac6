"""What follows a load: statistics for the planner."""

from __future__ import annotations

from zava.admin.loading import DatabaseLoader, become_loader
from zava.data.statements import statement


def analyze_tables(loader: DatabaseLoader) -> None:
    """Gather statistics of the tables that were loaded; nobody waits for it.

    Raises:
        ConfigurationError: The login may not load.
        DatabaseError: PostgreSQL refused it.
    """
    with loader.connection() as conn, conn.transaction():
        become_loader(conn)
        conn.execute(statement("import_statistics"))
