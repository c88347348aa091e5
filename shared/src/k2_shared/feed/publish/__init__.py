"""Trades and frames to Kafka."""
