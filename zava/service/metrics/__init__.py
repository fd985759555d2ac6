"""The chain's metrics: which there are, and their figures."""
