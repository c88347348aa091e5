"""Times are written as ISO 8601."""

import pytest

from k2_shared.core.times import iso


@pytest.mark.parametrize(
    ("microseconds", "timespec", "written"),
    [
        (1_500_000, "auto", "1970-01-01T00:00:01.500000+00:00"),
        (2_000_000, "auto", "1970-01-01T00:00:02+00:00"),
        (1_500_000, "milliseconds", "1970-01-01T00:00:01.500+00:00"),
        (2_000_000, "microseconds", "1970-01-01T00:00:02.000000+00:00"),
        (10**24, "auto", str(10**24)),
    ],
)
def test_a_time_is_iso_8601_in_utc(microseconds: int, timespec: str, written: str) -> None:
    """One that no calendar holds stays a number."""
    assert iso(microseconds, timespec) == written
