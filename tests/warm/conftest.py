"""The warm tier's tables on the real ClickHouse, and records to fill them."""

from k2_support.warm_fixtures import feeder, tables

__all__ = ["feeder", "tables"]
