"""Fixtures of the lake's tests."""

from k2_support.gates import gates
from k2_support.hourly import hourly
from k2_support.lake import long, make_batch, table, wrap_commit

__all__ = ["gates", "hourly", "long", "make_batch", "table", "wrap_commit"]
