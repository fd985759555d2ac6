"""How long a test waits for what has to come."""

PATIENCE = 120.0
"""Seconds; only a hanging test takes them, however slow and busy the machine is."""
