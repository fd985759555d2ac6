"""Products by meaning, by name, and by what is bought together."""
