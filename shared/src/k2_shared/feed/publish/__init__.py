"""From a parsed frame to Kafka: which trades are new, and their records in batches."""
