"""What every layer stands on: logging, metrics, the cache."""
