"""Candles beside each other: what counts as a difference, how large it is, and what is named."""

from decimal import Decimal
from typing import Any

import pytest

from k2.validation.comparison import (
    NAMED,
    PRICES,
    Fault,
    StoredCandle,
    TimeframeComparison,
    Window,
    compared,
    contradictions,
    vwap_of,
)

UNIT = Decimal("0.00000001")
MINUTE = 60_000_000
HUGE = Decimal("123456789012345678901234567890123456789012345678901234567890.0000000000000001")


def candle(number: int = 0, symbol: str = "BTC/USD", **changes: Any) -> StoredCandle:
    """The candle of a window by its number, as Spark has it."""
    start = number * MINUTE
    prices = [Decimal(each) for each in ("100.5", "101", "99.00000001", "100")]
    made = StoredCandle("KRAKEN", symbol, start, *prices, Decimal(3), Decimal(301), 2, start + 1, start + 2)
    return made._replace(**changes)


def stored(number: int = 0, **changes: Any) -> StoredCandle:
    """The same as ClickHouse has it, with an average."""
    made = candle(number, **changes)
    average = vwap_of(made.quote_volume, made.volume) if made.volume > 0 else Decimal(0)
    return made._replace(vwap=changes.get("vwap", average))


def of(v1: list[StoredCandle], v2: list[StoredCandle], *newer: Window) -> TimeframeComparison:
    return compared("1m", v1, v2, set(newer))


def test_equal_candles_are_equal() -> None:
    """Also where one says a decimal with other zeros; both sides are counted."""
    found = of([candle(0), candle(1)], [stored(0, open=Decimal("100.50000000")), stored(1)])
    assert found.is_equal
    assert (found.v1, found.v2, found.ohlc, found.volume, found.first) == (2, 2, 0, 0, [])


@pytest.mark.parametrize("name", [*PRICES, "volume", "quote_volume"])
def test_the_last_digit_of_any_decimal_is_a_difference(name: str) -> None:
    """Within the tolerance of the contract or not."""
    changed = getattr(candle(), name) + UNIT
    found = of([candle()], [stored(**{name: changed})])
    assert not found.is_equal
    assert (found.faults[Fault.DIFFERS], found.first[0].window) == (1, candle().window)
    assert list(found.first[0].values) == [name]
    told = found.to_json()
    assert told["within_1e-8"]
    assert told["ohlc"] == ("0.00000001" if name in PRICES else "0")
    assert told["volume"] == ("0.00000001" if name == "volume" else "0")


@pytest.mark.parametrize("name", ["trade_count", "open_time", "close_time"])
def test_counts_and_times_are_compared(name: str) -> None:
    """They are columns as the others are."""
    found = of([candle()], [stored(**{name: getattr(candle(), name) + 1})])
    assert list(found.first[0].values) == [name]


def test_the_largest_difference_is_told_however_many_digits_it_has() -> None:
    """Of prices over all four, of volumes alone; nothing is rounded."""
    found = of([candle(0), candle(1)], [stored(0, low=Decimal(90)), stored(1, close=Decimal("100.5"), volume=HUGE)])
    assert found.ohlc == Decimal("9.00000001")
    assert found.to_json()["volume"] == "123456789012345678901234567890123456789012345678901234567887.0000000000000001"
    assert not found.to_json()["within_1e-8"]


def test_a_total_of_any_size_is_compared_to_the_last_digit() -> None:
    """A sum of products has up to 76 of them."""
    other = Decimal(str(HUGE)[:-1] + "2")
    assert of([candle(quote_volume=HUGE)], [candle(quote_volume=HUGE)]).is_equal
    assert not of([candle(quote_volume=HUGE)], [candle(quote_volume=other)]).is_equal


def test_a_candle_of_one_side_is_named_with_what_it_says() -> None:
    """Before, between and behind those of the other; of another symbol or exchange, too."""
    lonely = [candle(0), candle(2), candle(9), candle(0, "ETH/USD")]
    found = of([*lonely[:1], candle(1), *lonely[1:]], [stored(1)])
    assert [each.window for each in found.first] == [each.window for each in lonely]
    assert (found.faults[Fault.ONLY_V1], found.v1, found.v2) == (4, 5, 1)
    assert found.first[0].values["open"] == ("100.5", "")
    found = of([candle(1)], [stored(0), stored(1), stored(2)])
    assert [each.fault for each in found.first] == [Fault.ONLY_V2] * 2
    assert found.first[0].values["volume"] == ("", "3")


def test_a_candle_that_stands_twice_is_one_too_many() -> None:
    """As of a view that sees a row that was not merged yet."""
    found = of([candle(0)], [stored(0), stored(0)])
    assert (found.faults[Fault.ONLY_V2], found.v2) == (1, 2)


def test_a_candle_that_knows_more_trades_is_left_out_whatever_it_says() -> None:
    """On one side, on the other, or on both; it is counted, and not as a row."""
    newer = [candle(each).window for each in range(3)]
    found = of([candle(0), candle(2), candle(3)], [stored(1), stored(2, open=Decimal(1)), stored(3)], *newer)
    assert found.is_equal
    assert (found.left_out, found.v1, found.v2) == (3, 1, 1)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"low": Decimal("100.6")}, ["open", "close", "vwap"]),
        ({"high": Decimal(100)}, ["open", "vwap"]),
        ({"close": Decimal(99)}, ["close"]),
        ({"vwap": Decimal(102)}, ["vwap"]),
        ({"vwap": Decimal("100.3333333333333334")}, ["vwap"]),
        ({"volume": Decimal(0), "vwap": Decimal(100)}, ["volume"]),
        ({"volume": Decimal(-3), "vwap": Decimal(100)}, ["volume"]),
        ({"trade_count": 0}, ["trade_count"]),
        ({}, []),
    ],
)
def test_a_candle_that_no_trades_make_is_told(changes: dict[str, Any], broken: list[str]) -> None:
    """Low, open, close, the average, high, in their order; something was traded; the average is that of the totals."""
    assert list(contradictions(stored(**changes))) == broken


def test_an_impossible_candle_fails_though_both_have_it() -> None:
    """Equal is not enough; it is named with what may be."""
    found = of([candle(close=Decimal(99))], [stored(close=Decimal(99))])
    assert (found.is_equal, found.faults[Fault.BROKEN]) == (False, 1)
    assert found.first[0].to_json("1m") == {
        "exchange": "KRAKEN",
        "symbol": "BTC/USD",
        "timeframe": "1m",
        "window": "1970-01-01T00:00:00+00:00",
        "fault": "impossible",
        "columns": {"close": {"v1": "99.00000001 to 101", "v2": "99"}},
    }


def test_the_first_are_named_and_all_are_counted() -> None:
    """A broken day would fill a screen."""
    found = of([candle(each) for each in range(NAMED + 5)], [])
    assert (len(found.first), found.faults[Fault.ONLY_V1], len(found.faulty)) == (NAMED, NAMED + 5, NAMED + 5)
    assert found.to_json()["faults"] == {"differs": 0, "only in v1": NAMED + 5, "only in v2": 0, "impossible": 0}


def test_an_average_is_cut_off_as_clickhouse_does() -> None:
    """At the sixteenth digit, not rounded."""
    assert vwap_of(Decimal(2), Decimal(3)) == Decimal("0.6666666666666666")
    assert vwap_of(HUGE, Decimal(1)) == HUGE


def test_a_window_is_called_by_its_symbol_and_its_begin() -> None:
    """As people read it."""
    assert str(candle(1).window) == "KRAKEN:BTC/USD from 1970-01-01T00:01+00:00"
