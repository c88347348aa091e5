"""What breaks a promise of the warm tier is found: each is broken in a copy of rows that keep it."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.warm.oracle import latest_of_each, place
from tests.warm.verifier import Copies, verify, verify_copies

from k2_support.warm_tables import Row

TABLE = "gold_trades"
_AT = (b"gold", 1, 7)


def row(offset: int, message_id: bytes = b"K:B:1", **changes: Any) -> Row:
    return {"kafka_topic": b"gold", "kafka_partition": 1, "kafka_offset": offset, "message_id": message_id, **changes}


ROWS = [row(5, b"K:B:5", price=1), row(7, b"K:B:7", price=2)]
WANTED = {place(each): each for each in ROWS}


def test_rows_that_are_all_there_are_not_told() -> None:
    """In whatever order."""
    assert verify(TABLE, WANTED, ROWS[::-1]) == []


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (lambda rows: rows[1:], "gold_trades lacks 1: (b'gold', 1, 5)"),
        (lambda rows: [*rows, row(9)], "gold_trades has, and no record is there, 1: (b'gold', 1, 9)"),
        (lambda rows: [*rows, rows[0]], "gold_trades: 1 rows stand twice under FINAL"),
        (lambda rows: [rows[0], {**rows[1], "price": 3}], "gold_trades: 1 rows differ; (b'gold', 1, 7): price"),
    ],
)
def test_a_row_that_is_not_its_records_is_told(breaks: Callable[[list[Row]], list[Row]], said: str) -> None:
    """One that lacks, one too many, one twice, another value."""
    assert verify(TABLE, WANTED, breaks(ROWS)) == [said]


def test_copies_that_will_be_one_row_are_not_told() -> None:
    """As many as there are: the engine merges them later."""
    assert verify_copies(TABLE, [Copies(_AT, 3, 1, 1)]) == []


@pytest.mark.parametrize("copies", [Copies(_AT, 2, 2, 1), Copies(_AT, 2, 1, 2)])
def test_copies_that_will_not_be_one_row_are_told(copies: Copies) -> None:
    """They differ, or are in two partitions of the table, which are never merged."""
    (said,) = verify_copies(TABLE, [copies])
    assert said.endswith("will not be one row")


def test_of_a_trade_that_came_twice_the_last_is_wanted() -> None:
    """Gold's table has a trade once."""
    rows = [row(7), row(9), row(8, b"K:B:2")]
    assert set(latest_of_each({place(each): each for each in rows})) == {(b"gold", 1, 8), (b"gold", 1, 9)}
