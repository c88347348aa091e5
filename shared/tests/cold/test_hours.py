"""Hours of UTC, and what is to be done about each: every case of the two tiers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from k2_shared.cold.fingerprint import Fingerprint
from k2_shared.cold.hours import Chunk, Hour, Rule, TierHour, Verdict, chunks, judged
from k2_shared.core import contracts

COLD = contracts.cold_tables()
DAY, HOUR_LONG = timedelta(days=1), timedelta(hours=1)
GRACE = timedelta(minutes=10)
START = datetime(2026, 2, 28, 23, tzinfo=UTC)
HOUR = Hour.of(START)
RULE = Rule(width=timedelta(), grace=GRACE, retention=30 * DAY, margin=DAY)
ONE, OTHER = Fingerprint(10, {"price": Decimal(1)}, 1), Fingerprint(10, {"price": Decimal(1)}, 2)
NOW = START + 5 * DAY


@pytest.mark.parametrize(
    ("moment", "start"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), "2026-02-28T23:00Z"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00Z"),
        (datetime(2025, 12, 31, 23, 0, tzinfo=UTC), "2025-12-31T23:00Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00Z"),
        (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12:00Z"),
        (datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-02-28T23:00Z"),
        (datetime(2026, 3, 1, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))), "2026-03-01T00:00Z"),
        (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), "1969-12-31T23:00Z"),
    ],
)
def test_a_moment_is_in_one_hour_of_utc(moment: datetime, start: str) -> None:
    """Also at the ends of days, months and years, and whatever the moment's own zone."""
    hour = Hour.of(moment)
    assert str(hour) == start
    assert hour.start <= moment < hour.end
    assert hour.end == Hour(hour.number + 1).start


def test_a_moment_without_a_zone_is_in_none() -> None:
    """It is not guessed."""
    with pytest.raises(ValueError, match="2026-03-01 00:00:00 is in no hour: it has no time zone"):
        Hour.of(datetime(2026, 3, 1))  # noqa: DTZ001  # the fault


@pytest.mark.parametrize(
    ("table", "width", "retention", "margin"),
    [
        ("raw_trades", timedelta(), 2 * DAY, 6 * HOUR_LONG),
        ("bronze_trades", timedelta(), 7 * DAY, DAY),
        ("silver_trades", timedelta(), 30 * DAY, DAY),
        ("gold_ohlcv_1m", timedelta(minutes=1), 30 * DAY, DAY),
        ("gold_ohlcv_5m", timedelta(minutes=5), 30 * DAY, DAY),
        ("gold_ohlcv_15m", timedelta(minutes=15), 30 * DAY, DAY),
        ("gold_ohlcv_30m", timedelta(minutes=30), 30 * DAY, DAY),
        ("gold_ohlcv_1h", HOUR_LONG, 90 * DAY, DAY),
        ("gold_ohlcv_1d", DAY, 365 * DAY, DAY),
    ],
)
def test_each_table_has_its_rule(table: str, width: timedelta, retention: timedelta, margin: timedelta) -> None:
    """By its contract."""
    assert Rule.of(COLD[table], GRACE) == Rule(width, GRACE, retention, margin)


@pytest.mark.parametrize(
    ("width", "closes"),
    [
        (timedelta(), START + HOUR_LONG + GRACE),
        (timedelta(minutes=1), START + HOUR_LONG + GRACE),
        (HOUR_LONG, START + HOUR_LONG + GRACE),
        (DAY, START + DAY + GRACE),
    ],
)
def test_an_hour_is_closed_once_its_last_window_is(width: timedelta, closes: datetime) -> None:
    """And the grace is over; until then it is open, whatever the tiers say."""
    rule = Rule(width, GRACE, 30 * DAY, DAY)
    assert rule.is_closed(HOUR, closes)
    early = closes - timedelta(microseconds=1)
    assert not rule.is_closed(HOUR, early)
    assert judged(HOUR, rule, early, tier(ONE), None, unasked) is Verdict.OPEN
    assert judged(HOUR, rule, early, tier(ONE), tier(ONE), unasked) is Verdict.OPEN


def tier(fingerprint: Fingerprint, age: timedelta | None = DAY) -> TierHour:
    """What a tier has, its oldest row so old."""
    return TierHour(fingerprint, None if age is None else NOW - age)


def unasked() -> int:
    raise AssertionError("keys were counted that nobody needs")


def lacks(count: int) -> Callable[[], int]:
    return lambda: count


EDGE = 29 * DAY
"""The retention less the margin."""
IN_TIME = EDGE - timedelta(microseconds=1)
CASES: dict[str, tuple[TierHour | None, TierHour | None, Callable[[], int], Verdict]] = {
    "nothing anywhere": (None, None, unasked, Verdict.EQUAL),
    "new": (tier(ONE), None, unasked, Verdict.TO_WRITE),
    "equal": (tier(ONE), tier(ONE), unasked, Verdict.EQUAL),
    "equal candles": (tier(ONE), tier(ONE, None), unasked, Verdict.EQUAL),
    "late rows": (tier(OTHER), tier(ONE), lacks(0), Verdict.TO_WRITE),
    "late rows of candles": (tier(OTHER), tier(ONE, None), lacks(0), Verdict.TO_WRITE),
    "one key lacks": (tier(OTHER), tier(ONE), lacks(1), Verdict.WOULD_SHRINK),
    "many keys lack": (tier(OTHER), tier(ONE, None), lacks(10_000), Verdict.WOULD_SHRINK),
    "warm was emptied": (None, tier(ONE), lacks(10), Verdict.WOULD_SHRINK),
    "just in time": (tier(ONE, IN_TIME), None, unasked, Verdict.TO_WRITE),
    "new, and too old": (tier(ONE, EDGE), None, unasked, Verdict.EXPIRING),
    "warm's oldest is too old": (tier(OTHER, EDGE), tier(ONE), unasked, Verdict.EXPIRING),
    "equal, and too old": (tier(ONE, EDGE), tier(ONE, EDGE), unasked, Verdict.EXPIRING),
    "half expired: cold's oldest is too old": (tier(OTHER), tier(ONE, EDGE), unasked, Verdict.EXPIRING),
    "wholly expired": (None, tier(ONE, 40 * DAY), unasked, Verdict.EXPIRING),
    "candles wholly expired": (None, tier(ONE, None), unasked, Verdict.EXPIRING),
    "candles too old": (tier(OTHER, EDGE), tier(ONE, None), unasked, Verdict.EXPIRING),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_on_a_closed_hour(case: str) -> None:
    """Only an hour of which every row is in time is compared, and only one that lacks nothing is written."""
    warm, cold, lacking, verdict = CASES[case]
    assert judged(HOUR, RULE, NOW, warm, cold, lacking) is verdict


def test_recordings_go_by_when_they_were_received() -> None:
    """An hour of two years ago whose trades were received yesterday is compared and written."""
    years_ago = Hour.of(START - 730 * DAY)
    assert judged(years_ago, RULE, NOW, tier(ONE), None, unasked) is Verdict.TO_WRITE


@pytest.mark.parametrize(
    ("rows", "cut"),
    [
        ({}, [(0, 9, 0)]),
        ({4: 1}, [(0, 9, 1)]),
        ({0: 5, 1: 5, 2: 5, 9: 5}, [(0, 1, 10), (2, 9, 10)]),
        ({3: 25, 4: 1, 7: 25}, [(0, 3, 25), (4, 6, 1), (7, 9, 25)]),
        ({7: 5, 2: 6}, [(0, 6, 6), (7, 9, 5)]),
    ],
)
def test_chunks_leave_out_no_hour(rows: dict[int, int], cut: list[tuple[int, int, int]]) -> None:
    """They follow one another, with ten rows at most, or one hour that has more."""
    found = chunks({Hour(number): count for number, count in rows.items()}, Hour(0), Hour(9), 10)
    assert list(found) == [Chunk(Hour(first), Hour(last), count) for first, last, count in cut]
