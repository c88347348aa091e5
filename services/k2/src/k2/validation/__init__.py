"""Candles validated: Spark's own of the lake's trades beside ClickHouse's."""
