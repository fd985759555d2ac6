"""The caller's own SQL, and the tables described for whoever writes it."""
