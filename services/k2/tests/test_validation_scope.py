"""What of candles can be compared: a snapshot of which all is folded, and windows that have ended."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from k2.candles.wanted import FIRST, LAST, Wanted
from k2.validation.scope import Filled, common, history, ranges
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.errors import Halt
from k2_shared.lake.sink_state import SinkState
from k2_shared.warm.horizons import NOWHERE

TOPIC = "p.gold"
HOUR = 3_600_000_000
DAY = 24 * HOUR
NO_HORIZON = [NOWHERE] * 6
EVERYTHING = Wanted(("KRAKEN",), "", FIRST, LAST)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def filled(number: int, **ends: int) -> Filled:
    return Filled(number, number, {int(partition[1:]): end for partition, end in ends.items()})


def test_the_newest_snapshot_of_which_every_trade_is_folded_is_compared() -> None:
    """Those before it have fewer; where a partition is all folded its end does not matter."""
    known = [filled(3, p0=30, p1=7), filled(2, p0=20, p1=7), filled(1, p0=10)]
    assert [found and found.snapshot_id for found in (common(known, unfolded) for unfolded in (
        {}, {0: 30}, {0: 29}, {0: 20, 1: 7}, {0: 30, 1: 6}, {1: 0}, {0: 9},
    ))] == [3, 3, 2, 2, 1, 1, None]  # fmt: skip
    assert common([], {}) is None


def state(commit: str, offset: int) -> dict[str, str]:
    return SinkState({(TOPIC, 0): offset, ("other", 0): 1}, commit, "c", {TOPIC: "id"}, "uuid").to_properties("k2")


def metadata(*summaries: Mapping[str, str], **properties: Any) -> Any:
    """A table's, with so many snapshots, the oldest first."""
    snapshots = [
        SimpleNamespace(
            snapshot_id=number,
            parent_snapshot_id=number - 1 or None,
            timestamp_ms=number * 1_000,
            summary=SimpleNamespace(additional_properties=dict(said)),
        )
        for number, said in enumerate(summaries, 1)
    ]
    head = len(snapshots) or None
    return SimpleNamespace(snapshots=snapshots, current_snapshot_id=head, properties=properties.get("own", {}))


def test_each_snapshot_has_what_its_sink_says() -> None:
    """From the newest back; other topics' offsets are not gold's."""
    found = history(metadata(state("a", 5), state("b", 9), own=state("b", 9)), "k2", TOPIC)
    assert found == [Filled(2, 2_000, {0: 9}), Filled(1, 1_000, {0: 5})]
    assert found[0].to_json() == {
        "snapshot": 2,
        "made": "1970-01-01T00:00:02+00:00",
        "gold_offsets": {"0": 9},
    }


def test_a_snapshot_of_a_maintenance_has_what_the_one_before_it_had() -> None:
    """Also where no summary is left, and the property alone says it."""
    assert history(metadata(state("a", 5), {}, own=state("a", 5)), "k2", TOPIC)[0] == Filled(2, 2_000, {0: 5})
    assert history(metadata({}, {}, own=state("a", 5)), "k2", TOPIC) == [Filled(2, 2_000, {0: 5})]


def test_a_table_without_a_sink_has_nothing() -> None:
    """Neither has one without a snapshot."""
    assert history(metadata({}), "k2", TOPIC) == history(metadata(), "k2", TOPIC) == []
    assert history(metadata(own=state("a", 5)), "k2", TOPIC) == []


def test_a_table_that_was_rolled_back_is_not_compared() -> None:
    """Its offsets are not those of its rows."""
    with pytest.raises(Halt, match="rolled back"):
        history(metadata(state("a", 5), own=state("b", 9)), "k2", TOPIC)


def test_windows_that_have_not_ended_are_not_compared() -> None:
    """By timeframe: the last that is compared ends now or before."""
    now = us("2026-11-28T10:17:00")
    found = ranges(EVERYTHING, NO_HORIZON, now)
    assert {name: span.end for name, span in found.items()} == {
        "1m": us("2026-11-28T10:17:00"),
        "5m": us("2026-11-28T10:15:00"),
        "15m": us("2026-11-28T10:15:00"),
        "30m": us("2026-11-28T10:00:00"),
        "1h": us("2026-11-28T10:00:00"),
        "1d": us("2026-11-28T00:00:00"),
    }
    assert {span.begin for span in found.values()} == {0}


def test_whole_days_are_compared_as_they_are_asked_for() -> None:
    """The last of them whole, too, once it has ended."""
    wanted = Wanted(("KRAKEN",), "", date(2026, 11, 20), date(2026, 11, 21))
    found = ranges(wanted, NO_HORIZON, us("2026-11-28T10:17:00"))
    assert set(found.values()) == {(us("2026-11-20T00:00:00"), us("2026-11-22T00:00:00"))}


def test_of_a_window_that_began_before_the_horizon_the_candle_may_have_expired() -> None:
    """The first that is compared begins at it or behind it."""
    horizon = us("2026-10-30T10:00:01")
    found = ranges(EVERYTHING, [horizon] * 6, us("2026-11-28T10:17:00"))
    widths = {each.name: each.width_us for each in TIMEFRAMES}
    assert all(
        span.begin % widths[name] == 0 and 0 <= span.begin - horizon < widths[name] for name, span in found.items()
    )
    assert ranges(EVERYTHING, [us("2026-10-30T00:00:00")] * 6, us("2026-11-28T00:00:00"))["1d"].begin == us(
        "2026-10-30T00:00:00"
    )
