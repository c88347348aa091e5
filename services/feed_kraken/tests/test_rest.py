"""Kraken's REST: pages by time, exact numbers, and its names for pairs."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from feed_kraken.protocol import KrakenProtocol
from feed_kraken.rest import KrakenRest
from k2_shared.core.trade import Trade
from k2_shared.feed.venue.listings import Listing, Pairs
from k2_shared.feed.venue.rest import TooManyCalls
from k2_support.conformance.rest import RestConformance

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
    """A page of these rows."""
    return json.dumps({"error": [], "result": {"XBTUSDT": rows, **more}}).encode()


class TestKraken(RestConformance):
    """What holds for every venue, by Kraken's answers."""

    rest = REST
    trade = Trade(
        exchange="KRAKEN",
        symbol="BTC/USDT",
        trade_id=9622656,
        timestamp=1753245706919844,
        price=Decimal("118832.9"),
        quantity=Decimal("0.00409283"),
        side="BUY",
        vendor_data={"ord_type": "limit"},
    )
    carried = KrakenProtocol().receive(
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USDT","side":"buy","price":118832.9,'
        b'"qty":0.00409283,"ord_type":"limit","trade_id":9622656,"timestamp":"2025-07-23T04:41:46.919844Z"}]}'
    )
    status = ("cancel_only", "post_only", "maintenance")
    odd = (
        {"altname": None},
        {"aclass_base": 1},
        {"pair_decimals": None},
        {"pair_decimals": "5"},
        {"status": None},
    )
    nameless = (None, 7, [], entry(None), entry(["NEW", "USD"]))
    ten_decimals = {"pair_decimals": 10}
    failure = (
        ('{"error":["EService:Unavailable"]}', "EService:Unavailable"),
        ("<html>", "malformed"),
        ("[]", "Expected"),
        ('{"error":[],"result":7}', "Expected"),
    )

    def page(self, *ids: int) -> bytes:
        """The row under each of these ids; the time's digits beyond the microsecond are truncated."""
        return answer([[*ROW[:6], number] for number in ids]).replace(b"1753245706.9198447", b"1753245706.9198449")

    def entry(self, symbol: str, /, **changes: Any) -> dict[str, Any]:
        """A pair by its name on the socket."""
        return entry(symbol, **changes)

    def answer(self, entries: Sequence[Any]) -> bytes:
        """The result is an object; its keys are not read."""
        return json.dumps({"error": [], "result": dict(enumerate(entries))}).encode()


def test_old_rows_without_id_are_left_out() -> None:
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


@pytest.mark.parametrize("status", ["limit_only", "reduce_only"])
def test_a_pair_whose_orders_are_limited_trades_all_the_same(status: str) -> None:
    """What is matched is captured."""
    assert listed(SOL=entry("SOL/USD", status=status)).refusal("SOL/USD") == ""


@pytest.mark.parametrize("said", ["EAPI:Rate limit exceeded", "EGeneral:Too many requests"])
def test_too_many_calls_are_told_apart(said: str) -> None:
    """Kraken says so with HTTP 200."""
    with pytest.raises(TooManyCalls, match=said):
        REST.read_pairs(json.dumps({"error": [said]}).encode())
    with pytest.raises(TooManyCalls, match=said):
        REST.read_trades("BTC/USD", json.dumps({"error": [said]}).encode())
