"""What a query may take, by what a server has for its reader."""

from dataclasses import dataclass

import pytest

from k2.sql.limits import QueryLimits
from k2_shared.core.errors import ConfigError
from k2_shared.warm.reader import GRANTED


@dataclass
class Has:
    """A setting of a server."""

    value: str
    readonly: int = 0


def test_a_profile_that_has_limits_keeps_them() -> None:
    """Nothing is sent that may not be changed, or that is there."""
    profile = {"readonly": Has("1", 1)} | {name: Has(str(value), 1) for name, value in GRANTED.items()}
    assert QueryLimits().settings(profile) == {}
    assert QueryLimits(seconds=5).settings(profile) == {"max_execution_time": 5}


def test_a_user_without_limits_gets_them() -> None:
    """And may only read, and sees no row twice."""
    assert QueryLimits().settings({name: Has("0") for name in (*GRANTED, "readonly")}) == {**GRANTED, "readonly": 1}


def test_what_is_asked_for_wins() -> None:
    """In the server's units."""
    asked = QueryLimits(7, 8, 9, 10)
    assert asked.settings({name: Has("0") for name in GRANTED}) == {
        "final": 1, "max_execution_time": 7, "max_memory_usage": 8_000_000, "max_result_rows": 9,
        "max_result_bytes": 10_000_000,
    }  # fmt: skip
    assert (asked.longest_s, QueryLimits().longest_s) == (7, GRANTED["max_execution_time"])


def test_a_server_that_shows_rows_twice_is_refused() -> None:
    """Where that cannot be changed."""
    with pytest.raises(
        ConfigError, match="shows its reader rows twice until they are merged: give that user's profile"
    ):
        QueryLimits().settings({"final": Has("0", 1)})


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (QueryLimits(seconds=0), "--limit-s 0 is not allowed: it is 1 to 600"),
        (QueryLimits(memory_mb=1_001), "--limit-mb 1001 is not allowed: it is 1 to 1,000"),
        (QueryLimits(rows=0), "--limit-rows 0 is not allowed: it is 1 to 10,000,000,000"),
        (QueryLimits(result_mb=-1), "--limit-result-mb -1 is not allowed: it is 1 to 1,000,000"),
    ],
)
def test_a_limit_has_limits(limits: QueryLimits, said: str) -> None:
    """Which are told."""
    with pytest.raises(ConfigError, match=said):
        limits.settings({})
