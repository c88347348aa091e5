"""Fills the warm tier's tables in ClickHouse from Kafka; a repeat changes nothing."""
