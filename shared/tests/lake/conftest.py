"""Fixtures of the lake's tests."""

from k2_support.lake import long, make_batch, table, wrap_commit

__all__ = ["long", "make_batch", "table", "wrap_commit"]
