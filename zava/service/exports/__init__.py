"""Query results as files on the person's machine."""
