"""Kraken's REST: pages by time, exact numbers, and its names for pairs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from feed_kraken.rest import KrakenRest
from k2_shared.feed.rest import Listing, TooManyCalls

ROW = ["118832.90000", "0.00409283", 1753245706.9198447, "b", "l", "", 9622656]
REST = KrakenRest()


def answer(rows: list[list[Any]], **more: Any) -> bytes:
    return json.dumps({"error": [], "result": {"XBTUSDT": rows, **more}}).encode()


def test_a_row_is_the_trade_that_the_socket_carried() -> None:
    """Numbers keep their digits; the time is truncated to microseconds, as the socket's is."""
    text = answer([ROW]).replace(b"1753245706.9198447", b"1753245706.9198449")
    (trade,) = REST.read_trades("BTC/USDT", text).trades
    assert trade.message_id == "KRAKEN:BTC/USDT:9622656"
    assert (trade.price, trade.quantity, trade.side) == (Decimal("118832.9"), Decimal("0.00409283"), "BUY")
    assert trade.timestamp == 1753245706919844
    assert trade.vendor_data == {"ord_type": "limit"}


def test_rows_come_by_id_and_old_ones_without_id_are_left_out() -> None:
    """Kraken's oldest rows have trade_id 0, or none."""
    rows = [[*ROW[:6], 3], [*ROW[:6], 2], [*ROW[:6], 0], ROW[:6]]
    assert [trade.trade_id for trade in REST.read_trades("BTC/USDT", answer(rows)).trades] == [2, 3]


@pytest.mark.parametrize(
    ("more", "cursor"), [({"last": "1753245706919844999"}, "1753245706919844999"), ({"last": 17}, "17")]
)
def test_the_next_page_begins_where_kraken_says(more: dict[str, Any], cursor: str) -> None:
    """``last`` is in ns, and a string or a number."""
    assert REST.read_trades("BTC/USDT", answer([ROW], **more)).cursor == cursor


def test_without_last_the_next_page_begins_at_the_last_row() -> None:
    """It is sometimes missing; pages overlap at their edges."""
    assert REST.read_trades("BTC/USDT", answer([ROW])).cursor == "1753245706919844000"
    assert REST.read_trades("BTC/USDT", answer([])).cursor == ""


def test_calls_are_by_time_in_nanoseconds() -> None:
    """The cursor counts, where there is one."""
    assert REST.since("XBTUSDT", 5, 1_000, "").path == "/0/public/Trades?pair=XBTUSDT&count=1000&since=1000000"
    assert REST.since("XBTUSDT", 5, 1_000, "77").path.endswith("since=77")
    assert REST.newest("XBTUSDT").path.endswith("pair=XBTUSDT&count=1")


def test_pairs_are_called_as_v2_calls_them() -> None:
    """REST says XBT and XDG where v2 says BTC and DOGE; pairs without a socket name are left out."""
    pairs = {
        "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1},
        "XDGXBT": {"altname": "XDGXBT", "wsname": "XDG/XBT", "pair_decimals": 8},
        "OLD": {"altname": "OLD"},
    }
    found = REST.read_pairs(json.dumps({"error": [], "result": pairs}).encode())
    assert found == {"BTC/USD": Listing("XBTUSD"), "DOGE/BTC": Listing("XDGXBT")}


def test_a_pair_with_more_decimals_than_the_schema_is_refused() -> None:
    """Its prices would have to be rounded."""
    pairs = {"PEPEXBT": {"altname": "PEPEXBT", "wsname": "PEPE/XBT", "pair_decimals": 10}}
    listing = REST.read_pairs(json.dumps({"error": [], "result": pairs}).encode())["PEPE/BTC"]
    assert "10 decimals" in listing.refused


@pytest.mark.parametrize("said", [b'{"error":["EService:Unavailable"]}', b"<html>", b"[]", b'{"error":[],"result":7}'])
def test_an_answer_of_another_shape_is_a_value_error(said: bytes) -> None:
    """The caller names the URL."""
    with pytest.raises(ValueError, match=r"EService:Unavailable|malformed|Expected"):
        REST.read_pairs(said)
    with pytest.raises(ValueError, match=r"EService:Unavailable|malformed|Expected"):
        REST.read_trades("BTC/USD", said)


@pytest.mark.parametrize("said", ["EAPI:Rate limit exceeded", "EGeneral:Too many requests"])
def test_too_many_calls_are_told_apart(said: str) -> None:
    """Kraken says so with HTTP 200."""
    with pytest.raises(TooManyCalls, match=said):
        REST.read_trades("BTC/USD", json.dumps({"error": [said]}).encode())
