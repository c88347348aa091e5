"""The embedded stack: real Kafka, registry, object store and catalog without Docker."""
