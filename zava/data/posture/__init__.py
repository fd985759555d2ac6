"""Whether the database keeps stores apart: read from its catalogue, and tried."""
