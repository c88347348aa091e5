"""Fixtures of the command line's tests."""

from k2_support.warm import clickhouse, warm

__all__ = ["clickhouse", "warm"]
