"""The chain's metrics: what they mean, and the SQL that computes them."""
