"""Which ids of a symbol are in Kafka and which are missing: in memory, in checkpoints and in the gap log."""
