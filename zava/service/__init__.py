"""What the answers mean: business rules, caching and the models that tools return."""
