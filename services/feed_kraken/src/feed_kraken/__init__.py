"""Captures every Kraken trade: WebSocket v2 frames to raw and V3 records in Kafka."""
