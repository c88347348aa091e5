"""The recordings' candles by DuckDB: exact, and what V3 does not hold is missing."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k2.demo import oracle, recomputed
from k2_shared.core.trade import fits
from k2_support.warm_tables import Row

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "1d": 1_440}
AT = 1_723_161_599_000_000  # a second before a midnight
MOST, LEAST, TOO_MUCH = "9999999999.99999999", "0.00000001", "46116860414.00"


class Recorded(NamedTuple):
    """A trade of a recording; the time in µs."""

    id: int
    micros: int
    price: str
    quantity: str


def kraken(trade: Recorded) -> str:
    """A row of REST, the time in seconds, with digits beyond microseconds."""
    stamp = f"{trade.micros // 1_000_000}.{trade.micros % 1_000_000:06d}9"
    return f'["{trade.price}","{trade.quantity}",{stamp},"b","l","",{trade.id}]'


def binance(trade: Recorded) -> str:
    """A frame after the time of its receipt."""
    data = {"e": "trade", "s": "BTCUSDT", "t": trade.id, "p": trade.price, "q": trade.quantity, "T": trade.micros}
    return f"{trade.micros * 1_000} " + json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":"))


def record(path: Path, trades: Sequence[Recorded], line: Callable[[Recorded], str]) -> None:
    """Write a recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(line(trade) + "\n" for trade in trades)


def by_hand(exchange: str, symbol: str, trades: Sequence[Recorded]) -> dict[str, list[Row]]:
    """The candles of trades by Python's own numbers; their times and ids agree."""
    good = sorted(
        {each for each in trades if fits(Decimal(each.price)) and fits(Decimal(each.quantity))},
        key=lambda each: (each.micros, each.id),
    )
    every = range(min(each.id for each in trades), max(each.id for each in trades) + 1)
    missing = sorted(set(every) - {each.id for each in good})
    return {name: list(_folded(exchange, symbol, good, missing, minutes)) for name, minutes in MINUTES.items()}


def _folded(
    exchange: str, symbol: str, good: Sequence[Recorded], missing: Sequence[int], minutes: int
) -> Iterator[Row]:
    width = minutes * 60_000_000
    for start, group in groupby(good, lambda each: each.micros // width * width):
        trades = list(group)
        before = max((each.id for each in good if each.micros < start), default=-1)
        after = min((each.id for each in good if each.micros >= start + width), default=2**63)
        lacking = sum(before < number < after for number in missing)
        yield {
            "exchange": exchange,
            "symbol": symbol,
            "window_start": start,
            "window_end": start + width,
            **_values(trades),
            "is_complete": not lacking,
            "missing_trades": lacking,
        }


def _values(trades: Sequence[Recorded]) -> dict[str, Any]:
    prices = [Decimal(each.price) for each in trades]
    volume = sum(Fraction(each.quantity) for each in trades)
    quote_volume = sum(Fraction(each.price) * Fraction(each.quantity) for each in trades)
    return {
        "open_time": trades[0].micros,
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "close_time": trades[-1].micros,
        "volume": _decimal(volume, 8),
        "quote_volume": _decimal(quote_volume, 16),
        "vwap": _decimal(quote_volume / volume, 16),
        "trade_count": len(trades),
    }


def _decimal(value: Fraction | int, places: int) -> Decimal:
    """Cut off after so many places."""
    return Decimal(f"{int(value * 10**places)}E-{places}")


def test_the_packaged_recordings_fold_as_by_hand() -> None:
    """All of their candles, which are complete."""
    found = recomputed.candles(oracle.packaged_recordings())
    assert {name: len(rows) for name, rows in found.items()} == {
        "1m": 191, "5m": 60, "15m": 23, "30m": 14, "1h": 9, "1d": 5,
    }  # fmt: skip
    assert sum(row["trade_count"] for row in found["1d"]) == 16_463
    assert all(row["is_complete"] for rows in found.values() for row in rows)
    (kraken_day,) = (row for row in found["1d"] if row["exchange"] == "KRAKEN")
    assert (kraken_day["quote_volume"], kraken_day["trade_count"]) == (Decimal("1758411.1150025780000000"), 600)


NUMBERS = st.sampled_from([MOST, LEAST, "61837.63", "1", "0.10000000", TOO_MUCH, "0.123456789"])
STEPS = st.sampled_from([0, 1, 999_999, 61_000_000, 3_600_000_000, 90_000_000_000])
TRADES = st.lists(st.tuples(st.integers(1, 4), STEPS, NUMBERS, NUMBERS), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=TRADES)
def test_any_recording_folds_as_by_hand(tmp_path: Path, steps: list[tuple[int, int, str, str]]) -> None:
    """With ids that skip, ties in time, windows without trades, the largest numbers, and such as V3 does not hold."""
    trades, id_, micros = [], 100, AT
    for skip, step, price, quantity in steps:
        id_, micros = id_ + skip, micros + step
        trades.append(Recorded(id_, micros, price, quantity))
    trades.append(Recorded(id_ + 1, micros, "1", "2"))
    folder = tmp_path / "recordings"
    record(folder / "kraken_xbtusdt_1_trades.jsonl.gz", trades, kraken)
    assert recomputed.candles(folder) == by_hand("KRAKEN", "BTC/USDT", trades)


@pytest.mark.parametrize("unit", [1, 1_000])
def test_binances_times_are_in_milliseconds_or_microseconds(tmp_path: Path, unit: int) -> None:
    """And a trade that two files have is one."""
    trades = [Recorded(number, AT + 1_000 * number, "61837.63000000", "0.5") for number in range(10, 1_010)]
    in_unit = [each._replace(micros=each.micros // unit) for each in trades]
    record(tmp_path / "binance_btcusdt_1_trades.jsonl.gz", in_unit[:600], binance)
    record(tmp_path / "binance_btcusdt_2_trades.jsonl.gz", in_unit[400:], binance)
    assert recomputed.candles(tmp_path) == by_hand("BINANCE", "BTC/USDT", trades)
