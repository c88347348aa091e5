"""Kraken's REST: pages by time, exact numbers, and its names for pairs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from feed_kraken.rest import KrakenRest
from k2_shared.feed.venue.listings import Listing, Pairs
from k2_shared.feed.venue.rest import TooManyCalls

ROW = ["118832.90000", "0.00409283", 1753245706.9198447, "b", "l", "", 9622656]
REST = KrakenRest()


def listed(**entries: Any) -> Pairs:
    """What is read of a list."""
    return REST.read_pairs(json.dumps({"error": [], "result": entries}).encode())


def entry(wsname: Any = "XBT/USD", **changes: Any) -> dict[str, Any]:
    """A pair as Kraken lists it, with changes."""
    plain = {"altname": "XBTUSD", "wsname": wsname, "aclass_base": "currency", "pair_decimals": 1, "status": "online"}
    return {**plain, **changes}


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
    found = listed(
        XXBTZUSD={"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1},
        XDGXBT={"altname": "XDGXBT", "wsname": "XDG/XBT", "pair_decimals": 8},
        OLD={"altname": "OLD"},
        BARE={"wsname": "SOL/USD"},
        DOTTED=entry("ETH2.S/ETH", altname="ETH2.SETH"),
    )
    assert found == Pairs(
        {
            "BTC/USD": Listing("XBTUSD"),
            "DOGE/BTC": Listing("XDGXBT"),
            "SOL/USD": Listing("SOL/USD"),
            "ETH2.S/ETH": Listing("ETH2.SETH"),
        },
        [],
    )


def test_tokenized_stocks_are_listed_apart_and_asked_for_by_their_class() -> None:
    """The plain list does not have them, and Trades wants to be told the class; pairs of currencies go without."""
    plain, tokenized = REST.pairs()
    assert plain.path == "/0/public/AssetPairs"
    assert tokenized.path == "/0/public/AssetPairs?aclass_base=tokenized_asset"
    name = listed(AAPLxUSD=entry("AAPLx/USD", altname="AAPLxUSD", aclass_base="tokenized_asset")).name("AAPLx/USD")
    assert REST.newest(name).path == "/0/public/Trades?pair=AAPLxUSD&asset_class=tokenized_asset&count=1"
    assert "pair=AAPLxUSD&asset_class=tokenized_asset&" in REST.since(name, 5, 1_000, "").path
    assert "asset_class" not in REST.newest("XBTUSD").path


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "maintenance"])
def test_a_pair_that_is_halted_is_refused_with_its_status(status: str) -> None:
    """It may trade again; its neighbours can be captured."""
    found = listed(BTC=entry(), SOL=entry("SOL/USD", status=status))
    assert found.refusal("BTC/USD") == ""
    assert f"its status is '{status}'" in found.refusal("SOL/USD")


@pytest.mark.parametrize("status", ["limit_only", "reduce_only"])
def test_a_pair_whose_orders_are_limited_trades_all_the_same(status: str) -> None:
    """What is matched is captured."""
    assert listed(SOL=entry("SOL/USD", status=status)).refusal("SOL/USD") == ""


@pytest.mark.parametrize(
    "odd", [{"altname": None}, {"aclass_base": 1}, {"pair_decimals": None}, {"pair_decimals": "5"}, {"status": None}]
)
def test_an_odd_entry_is_refused_alone(odd: dict[str, Any]) -> None:
    """When it is asked for, with what is odd of it; whatever part that is."""
    found = listed(NEW=entry("NEW/USD", **odd), BTC=entry())
    assert found.refusal("BTC/USD") == ""
    assert "cannot be read" in found.refusal("NEW/USD")


@pytest.mark.parametrize("odd", [None, 7, [], entry(None), entry(["NEW", "USD"])])
def test_an_entry_without_a_name_is_left_out_and_counted(odd: Any) -> None:
    """Nobody can ask for it."""
    found = listed(NEW=odd, BTC=entry())
    assert list(found.listings) == ["BTC/USD"]
    assert len(found.nameless) == 1


def test_a_pair_with_more_decimals_than_the_schema_is_refused() -> None:
    """Its prices would have to be rounded."""
    assert "10 decimals" in listed(PEPEXBT=entry("PEPE/XBT", pair_decimals=10)).refusal("PEPE/BTC")


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
