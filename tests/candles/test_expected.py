"""What the candles must be, in small: by hand."""

from decimal import Decimal
from typing import Any

import pytest
from tests.candles.comparison import different
from tests.candles.expected import Market

from k2_support.warm_tables import Row

MIDNIGHT = 1_762_732_800_000_000
MINUTE = 60_000_000
WINDOW = ("1m", "KRAKEN", "T/USD", MIDNIGHT)


def gold(trade_id: int, at: int, offset: int, price: str = "2", quantity: str = "3") -> Row:
    """A row of gold, so many µs after midnight."""
    amounts = {"price": Decimal(price), "quantity": Decimal(quantity)}
    of = {"exchange": b"KRAKEN", "symbol": b"T/USD", "source_sequence": trade_id, **amounts}
    return {**of, "timestamp": MIDNIGHT + at, "kafka_offset": offset}


def gap(state: str, first: int, last: int, offset: int) -> Row:
    """A row of the ledger."""
    of = {"exchange": b"KRAKEN", "symbol": b"T/USD", "state": state}
    return {**of, "first_id": first, "last_id": last, "kafka_offset": offset}


def letter(trade_id: int | None, key: bytes = b"KRAKEN:T/USD") -> Row:
    """A row of the dead letters."""
    return {"message_key": key, "source_sequence": trade_id}


TRADES = [
    gold(2, 0, 0, price="4", quantity="0.00000001"),
    gold(1, 0, 5, price="9999999999.99999999", quantity="9999999999.99999999"),
    gold(5, MINUTE, 1),
    gold(9, 61 * MINUTE, 2),
]


QUOTE_VOLUME = (10**18 - 1) ** 2 + 4 * 10**8


def unscaled(number: int) -> Decimal:
    """A number of units of 10^-16."""
    return Decimal((0, tuple(map(int, str(number))), -16))


def test_a_candle_is_of_its_window_alone() -> None:
    """Open and close by time and id, whatever the offsets; sums have every digit."""
    assert Market.of(TRADES, [], []).shown()[WINDOW] == {
        "window_end": MIDNIGHT + MINUTE,
        "open_time": MIDNIGHT,
        "close_time": MIDNIGHT,
        "open": Decimal("9999999999.99999999"),
        "high": Decimal("9999999999.99999999"),
        "low": Decimal(4),
        "close": Decimal(4),
        "volume": Decimal(10_000_000_000),
        "quote_volume": unscaled(QUOTE_VOLUME),
        "vwap": unscaled(QUOTE_VOLUME // 10**10),
        "trade_count": 2,
        "missing_trades": 0,
        "is_complete": 1,
    }


@pytest.mark.parametrize(
    ("ledger", "letters", "lacks"),
    [
        ([], [], [0, 0, 0]),
        ([gap("opened", 3, 4, 0)], [], [2, 2, 0]),
        ([gap("opened", 3, 4, 0), gap("unfillable", 3, 3, 1)], [], [2, 2, 0]),
        ([gap("opened", 3, 4, 0), gap("filled", 3, 3, 1)], [], [1, 1, 0]),
        ([gap("filled", 3, 3, 1), gap("opened", 3, 4, 0)], [], [1, 1, 0]),
        ([gap("opened", 1, 2, 0)], [letter(5), letter(None), letter(7, b"KRAKEN:U/USD")], [0, 0, 0]),
        ([gap("opened", 6, 7, 0)], [letter(7), letter(8)], [0, 3, 3]),
        ([], [letter(10)], [0, 0, 1]),
    ],
)
def test_what_a_candle_lacks_lies_between_its_neighbours(
    ledger: list[Row], letters: list[Row], lacks: list[int]
) -> None:
    """By the ledger's last word, in the order of its offsets, and by the letters, unless gold has it."""
    shown = Market.of(TRADES, ledger, letters).shown()
    minutes = [window for window in sorted(shown) if window[0] == "1m"]
    assert [shown[window]["missing_trades"] for window in minutes] == lacks
    assert [shown[window]["is_complete"] for window in minutes] == [int(not each) for each in lacks]


def test_a_prefix_is_of_the_offsets_up_to_one() -> None:
    """As a row of the table is that was written before the last trade came."""
    assert Market.of(TRADES, [], []).up_to(WINDOW, 4).trade_count == 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "candles lack 1: ('1m', 'K', 'T', 0)"),
        (
            {("1m", "K", "T", 0): {"low": 1}, ("5m", "K", "T", 0): {"low": 1}},
            "candles have, and no trade is in it, 1: ",
        ),
        ({("1m", "K", "T", 0): {"low": 2}}, "candles: 1 differ; ('1m', 'K', 'T', 0): low 2 and not 1"),
    ],
)
def test_a_candle_that_is_not_so_is_told(found: Any, said: str) -> None:
    """One that lacks, one too many, another value."""
    (told,) = different({("1m", "K", "T", 0): {"low": 1}}, found)
    assert told.startswith(said)
