"""A batch of trades in order, without repeats, and within the bounds of gold."""

import numpy as np
import pytest
from shared.tests.candles.oracle import GoldTrade, columns

from k2_shared.candles.trades import MOST_KEYS, GoldTrades, ordered
from k2_shared.candles.wide import MOST_ROWS, UNSCALED_LIMIT
from k2_shared.core.errors import Halt


def trade(key: int = 0, timestamp: int = 10, trade_id: int = 1, offset: int = 0, **amounts: int) -> GoldTrade:
    """A small trade."""
    return GoldTrade(key, timestamp, trade_id, amounts.get("price", 5), amounts.get("quantity", 7), offset)


def rows(trades: GoldTrades) -> list[GoldTrade]:
    """The trades of a batch in their order."""
    every = (trades.key, trades.timestamp, trades.trade_id, trades.price, trades.quantity, trades.offset)
    return [GoldTrade(*row) for row in np.array(every).T.tolist()]


IN_ORDER = [
    trade(0, 10, 9, offset=4),
    trade(0, 11, 2, offset=1),
    trade(0, 11, 10, offset=0),
    trade(1, 3, 1, offset=2),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (2, 3, 1, 0), (1, 0, 3, 2)])
def test_trades_are_ordered_by_key_time_and_id(order: tuple[int, ...]) -> None:
    """Ids as numbers, whatever order they came in."""
    assert rows(ordered(columns(IN_ORDER[place] for place in order))) == IN_ORDER


@pytest.mark.parametrize("repeated", [[0], [1, 1], [0, 1, 2, 3]])
def test_of_trades_at_one_offset_one_remains(repeated: list[int]) -> None:
    """Wherever they stand in the batch."""
    assert rows(ordered(columns([*IN_ORDER, *(IN_ORDER[place] for place in repeated)]))) == IN_ORDER


def test_equal_offsets_of_two_keys_are_two_trades() -> None:
    """They are in different partitions."""
    both = [trade(0, offset=3), trade(1, offset=3)]
    assert rows(ordered(columns([*both, both[0]]))) == both


def test_no_trades_are_in_order() -> None:
    """An empty batch is one."""
    assert len(ordered(columns([]))) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (trade(key=-1), "number of its key is -1"),
        (trade(key=MOST_KEYS), f"number of its key is {MOST_KEYS}"),
        (trade(price=0), "price, in units of 10^-8, is 0, and must be from 1 to 999999999999999999"),
        (trade(price=UNSCALED_LIMIT), "price, in units of 10^-8, is 1000000000000000000"),
        (trade(quantity=0), "quantity, in units of 10^-8, is 0"),
        (trade(quantity=UNSCALED_LIMIT), "quantity, in units of 10^-8, is 1000000000000000000"),
        (trade(offset=-1), "trade 1 at gold's offset -1 cannot be folded into candles: the offset is -1"),
    ],
)
def test_what_is_no_trade_of_gold_is_named_and_not_folded(wrong: GoldTrade, says: str) -> None:
    """The bounds are those within which sums are exact."""
    with pytest.raises(Halt) as refused:
        ordered(columns([trade(), wrong]))
    assert says in str(refused.value)


def test_a_batch_has_a_limit() -> None:
    """It is that of the sums; the columns of this one are views of a single number."""
    one = np.broadcast_to(np.int64(1), MOST_ROWS + 1)
    with pytest.raises(Halt, match="give at most 1,073,741,824"):
        ordered(GoldTrades(one, one, one, one, one, one))
