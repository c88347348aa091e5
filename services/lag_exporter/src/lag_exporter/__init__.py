"""Says how far every consumer group is behind, as the broker knows it."""
