"""Limits as they are given on the command line."""

import pytest

from k2_local.embedded_clickhouse.limits import Limits
from k2_shared.core.errors import ConfigError


def test_limits_keep_the_kind_of_their_number() -> None:
    """Bytes and counts are whole, seconds need not be."""
    assert Limits.of(["concurrent=2", "waiting_s=0.5"]) == Limits(concurrent=2, waiting_s=0.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing=1", "there is no limit 'nothing': it is one of memory, query_memory"),
        ("concurrent=two", "the limit concurrent='two' is not a number"),
        ("concurrent", "the limit concurrent='' is not a number"),
        ("waiting_s=-1", "the limit waiting_s=-1 is negative"),
    ],
)
def test_a_wrong_limit_is_named(given: str, said: str) -> None:
    """With what was given and what is allowed."""
    with pytest.raises(ConfigError, match=said):
        Limits.of([given])
