"""Binance's REST: pages by id, exact numbers, and its names for pairs."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from feed_binance.protocol import BinanceProtocol
from feed_binance.rest import BinanceRest
from k2_shared.core.trade import Trade
from k2_shared.feed.venue.listings import Listing, Pairs
from k2_support.conformance.rest import RestConformance

ROW: dict[str, Any] = {
    "id": 3735683259,
    "price": "61837.63000000",
    "qty": "0.02000000",
    "quoteQty": "1236.75260000",
    "time": 1723161255342,
    "isBuyerMaker": True,
    "isBestMatch": True,
}
REST = BinanceRest()


def listed(*entries: Any) -> Pairs:
    """What is read of a list."""
    return REST.read_pairs(json.dumps({"symbols": entries}).encode())


def entry(base: str = "BTC", quote: str = "USDT", **changes: Any) -> dict[str, Any]:
    """A pair as Binance lists it, with changes."""
    filters = [{"filterType": "LOT_SIZE"}, tick("0.01000000")]
    plain = {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": filters}
    return {**plain, **changes}


def tick(size: str | None) -> dict[str, Any]:
    """The filter that says the smallest step of a price."""
    return {"filterType": "PRICE_FILTER", "tickSize": size}


class TestBinance(RestConformance):
    """What holds for every venue, by Binance's answers."""

    rest = REST
    trade = Trade(
        exchange="BINANCE",
        symbol="BTC/USDT",
        trade_id=3735683259,
        timestamp=1723161255342000,
        price=Decimal("61837.63"),
        quantity=Decimal("0.02"),
        side="SELL",
        vendor_data={"best_match": "true"},
    )
    carried = BinanceProtocol({"BTC/USDT": "BTCUSDT"}).receive(
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
        b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
    )
    status = ("BREAK", "CANCEL_ONLY", "PRE_TRADING")
    odd = (
        {"filters": None},
        {"filters": [None]},
        {"filters": {}},
        *({"filters": [tick(size)]} for size in (None, "", "NaN", "1e-8", "0,1")),
        {"status": None},
        {"symbol": None},
        {"symbol": 7},
    )
    nameless = (None, 7, [], {}, {"symbol": "NEWUSDT"}, entry(baseAsset=None), entry(quoteAsset=3))
    ten_decimals = {"filters": [tick("0.0000000001")], "status": "BREAK"}
    failure = (
        ("<html>", "malformed"),
        ("{}", "required field|Expected"),
        ('{"code":-1003,"msg":"Too many requests"}', "required field|Expected"),
        ('{"symbols":[{}]}', "required field|Expected"),
    )

    def page(self, *ids: int) -> bytes:
        """The row under each of these ids."""
        return json.dumps([{**ROW, "id": number} for number in ids]).encode()

    def entry(self, symbol: str, /, **changes: Any) -> dict[str, Any]:
        """A pair by base and quote."""
        return entry(*symbol.split("/"), **changes)

    def answer(self, entries: Sequence[Any]) -> bytes:
        """The list of symbols."""
        return json.dumps({"symbols": entries}).encode()


def test_a_time_may_be_in_microseconds() -> None:
    """Where it was asked for so."""
    (found,) = REST.read_trades("BTC/USDT", json.dumps([{**ROW, "time": 1723161255342001}]).encode()).trades
    assert found.timestamp == 1723161255342001


def test_calls_are_by_id_and_cost_their_weight() -> None:
    """Both trade calls weigh 25 of 6,000 a minute."""
    call = REST.since("BTCUSDT", 5, 0, "")
    assert call.path == "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=5&limit=1000"
    assert call.cost == REST.newest("BTCUSDT").cost == 25


def test_pairs_map_canonical_symbols_to_binances() -> None:
    """From base and quote, since BTCUSDT alone does not say where it splits."""
    found = listed(entry(), entry("币安人生"), entry("1INCH", "usdt"))
    assert found.listings == {
        "BTC/USDT": Listing("BTCUSDT"),
        "币安人生/USDT": Listing("币安人生USDT"),
        "1INCH/usdt": Listing("1INCHusdt"),
    }


def test_a_pair_that_was_renamed_is_asked_for_by_the_name_that_trades() -> None:
    """In whatever order they are listed."""
    assert listed(entry(status="BREAK"), entry(symbol="NEWER")).name("BTC/USDT") == "NEWER"
    assert listed(entry(symbol="NEWER"), entry(status="BREAK")).name("BTC/USDT") == "NEWER"


def test_a_name_in_any_script_is_asked_for_in_utf8() -> None:
    """As a URL takes it, by newest and by id."""
    name = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"
    assert REST.newest("币安人生USDT").path == f"/api/v3/trades?symbol={name}&limit=1"
    assert f"symbol={name}&" in REST.since("币安人生USDT", 5, 0, "").path


def test_the_list_of_pairs_is_one_call() -> None:
    """It is asked for whole, at its weight."""
    (call,) = REST.pairs()
    assert (call.path, call.cost) == ("/api/v3/exchangeInfo", 20)
