"""Fixtures of the warm tier's tests."""

from k2_support.warm import clickhouse, warm

__all__ = ["clickhouse", "warm"]
