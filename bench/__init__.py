"""Benchmarks: what zava costs, side by side with other servers, in one run."""
