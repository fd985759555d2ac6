"""zava: an MCP server that answers questions about a retail chain from its PostgreSQL.

What one person may see is decided by row level security in the database,
never by the prompt, the client or the model.
"""

__version__ = "0.1.0"
