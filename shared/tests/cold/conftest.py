"""Fixtures of the cold tier's tests."""

from k2_support.warm_fixtures import tables

__all__ = ["tables"]
