"""Captures every Binance spot trade: combined stream frames to raw and V3 records in Kafka."""
