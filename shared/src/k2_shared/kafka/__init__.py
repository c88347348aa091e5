"""Kafka: clients, topics and their identities, groups, where to resume, dead letters, the registry."""
