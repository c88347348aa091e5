"""What a reader of the warm tier has, and what a query of its may ask for instead.

``deploy/clickhouse/users.xml`` gives a server's reader the same, and a test holds the two equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowed:
    """The values of a setting that a reader may choose, both ends included."""

    least: int
    most: int


GRANTED: Mapping[str, int] = {
    "final": 1,  # every table replaces rows when it merges: until then a row would be seen twice
    "max_execution_time": 60,
    "max_memory_usage": 500_000_000,
    "max_result_rows": 100_000_000,
    "max_result_bytes": 20_000_000_000,
}
"""The reader's settings, beside ``readonly``: seconds, bytes and rows."""

CHANGEABLE: Mapping[str, Allowed] = {
    "final": Allowed(0, 1),
    "max_execution_time": Allowed(1, 600),
    "max_memory_usage": Allowed(1_000_000, 1_000_000_000),
    "max_result_rows": Allowed(1, 10_000_000_000),
    "max_result_bytes": Allowed(1, 1_000_000_000_000),
}
"""Every setting that a reader may change; zero would be no limit, and is none of the values."""
