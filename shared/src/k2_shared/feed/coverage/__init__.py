"""Which ids of a symbol are known to be in Kafka, and which are missing."""
