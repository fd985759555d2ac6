"""What the database administrator runs: schema and seed, logins, embeddings."""
