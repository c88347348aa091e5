"""The warm tier's rows beside their records: what lacks, what is too many and what differs is named."""

from collections import Counter
from decimal import Decimal

import pytest

from k2.demo.warm_rows import SHOWN, Identity, compared
from k2_support.warm_tables import Row


def trade(offset: int, **other: object) -> Row:
    """A row of gold."""
    return {
        "exchange": b"KRAKEN",
        "symbol": b"BTC/USD",
        "trade_id": str(offset).encode(),
        "price": Decimal("1.5"),
        "kafka_topic": b"gold",
        "kafka_partition": 3,
        "kafka_offset": offset,
        **other,
    }


def frame(offset: int) -> Row:
    """A row of raw, which has no trade's id."""
    found = trade(offset, frame=b"{}")
    del found["trade_id"], found["price"]
    return found


def test_equal_rows_are_exact() -> None:
    """In any order, with both counts and the ids."""
    found = compared([trade(1), trade(2)], [trade(2), trade(1)])
    assert found.is_exact
    assert (found.rows, found.records) == (2, 2)
    assert found.ids == Counter(["KRAKEN:BTC/USD:1", "KRAKEN:BTC/USD:2"])


def test_a_row_that_lacks_is_named() -> None:
    """By its id and its place."""
    found = compared([trade(1), trade(2)], [trade(1)])
    assert not found.is_exact
    assert (found.missing, found.excess, found.unlike) == (("KRAKEN:BTC/USD:2 at gold[3]@2",), (), ())


@pytest.mark.parametrize("offset", [1, 9])
def test_a_row_too_many_is_named(offset: int) -> None:
    """One of a place that Kafka has not, and one that stands twice."""
    found = compared([trade(1)], [trade(1), trade(offset)])
    assert (found.missing, found.excess) == ((), (f"KRAKEN:BTC/USD:{offset} at gold[3]@{offset}",))


def test_another_value_is_named_with_both() -> None:
    """A table of the right ids with another price does not equal its topics."""
    found = compared([trade(1), trade(2)], [trade(1), trade(2, price=Decimal("1.6"), symbol=b"ETH/USD")])
    said = "KRAKEN:BTC/USD:2 at gold[3]@2 has symbol ETH/USD instead of BTC/USD, price 1.6 instead of 1.5"
    assert found.unlike == (said,)
    assert not found.is_exact


def test_what_is_no_trade_is_named_by_what_it_has() -> None:
    """A frame by its symbol, a gap by its range, a letter by its place, a delivery without an id by its place."""
    gap = {**frame(5), "first_id": 7, "last_id": 9, "state": "filled"}
    letter = {name: value for name, value in frame(6).items() if name not in {"exchange", "symbol"}}
    found = compared([frame(4), gap, letter, trade(8, trade_id=None)], [])
    assert found.missing == (
        "KRAKEN:BTC/USD at gold[3]@4",
        "KRAKEN:BTC/USD:7 to 9 filled at gold[3]@5",
        "at gold[3]@6",
        "KRAKEN:BTC/USD at gold[3]@8",
    )
    assert found.ids == Counter()


def test_only_some_rows_are_named() -> None:
    """A million lost rows do not fill the screen."""
    rows = [trade(number) for number in range(100)]
    assert len(compared(rows, []).missing) == len(compared([], rows).excess) == SHOWN
    unlike = compared(rows, [{**row, "price": None} for row in rows])
    assert (len(unlike.unlike), unlike.mismatches) == (SHOWN, 100)


def test_rows_may_be_known_by_something_else() -> None:
    """Each that lacks, is too many or differs is a mismatch."""
    by_price = Identity(lambda row: row["price"], lambda row: f"the trade at {row['price']}")
    found = compared([trade(1, price=7), trade(2, price=8)], [trade(3, price=7), trade(2, price=9)], by_price)
    assert (found.missing, found.excess) == (("the trade at 8",), ("the trade at 9",))
    assert found.unlike == ("the trade at 7 has trade_id 3 instead of 1, kafka_offset 3 instead of 1",)
    assert found.mismatches == 3
