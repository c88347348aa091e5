"""Binance's REST: pages by id, exact numbers, and its names for pairs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from feed_binance.rest import BinanceRest
from k2_shared.feed.venue.listings import Listing, Pairs

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


def test_a_row_is_the_trade_that_the_socket_carried() -> None:
    """The buyer is the maker, so the taker sold; the time is in ms, or in µs where it was asked for."""
    (trade,) = REST.read_trades("BTC/USDT", json.dumps([ROW]).encode()).trades
    assert trade.message_id == "BINANCE:BTC/USDT:3735683259"
    assert (trade.price, trade.quantity, trade.side) == (Decimal("61837.63"), Decimal("0.02"), "SELL")
    assert trade.timestamp == 1723161255342000
    (micros,) = REST.read_trades("BTC/USDT", json.dumps([{**ROW, "time": 1723161255342001}]).encode()).trades
    assert micros.timestamp == 1723161255342001


def test_rows_come_by_id() -> None:
    """Whatever the order of the answer."""
    rows = [{**ROW, "id": number} for number in (3, 1, 2)]
    assert [trade.trade_id for trade in REST.read_trades("BTC/USDT", json.dumps(rows).encode()).trades] == [1, 2, 3]


def test_calls_are_by_id_and_cost_their_weight() -> None:
    """Both trade calls weigh 25 of 6,000 a minute."""
    call = REST.since("BTCUSDT", 5, 0, "")
    assert call.path == "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=5&limit=1000"
    assert call.cost == REST.newest("BTCUSDT").cost == 25


def listed(*entries: Any) -> Pairs:
    """What is read of a list."""
    return REST.read_pairs(json.dumps({"symbols": entries}).encode())


def entry(base: str = "BTC", quote: str = "USDT", **changes: Any) -> dict[str, Any]:
    """A pair as Binance lists it, with changes."""
    filters = [{"filterType": "LOT_SIZE"}, {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}]
    plain = {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": filters}
    return {**plain, **changes}


def test_pairs_map_canonical_symbols_to_binances() -> None:
    """From base and quote, since BTCUSDT alone does not say where it splits."""
    found = listed(entry(), entry("币安人生"), entry("1INCH", "usdt"))
    assert found.listings == {
        "BTC/USDT": Listing("BTCUSDT"),
        "币安人生/USDT": Listing("币安人生USDT"),
        "1INCH/usdt": Listing("1INCHusdt"),
    }


def test_a_name_in_any_script_is_asked_for_in_utf8() -> None:
    """As a URL takes it, by newest and by id."""
    name = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"
    assert REST.newest("币安人生USDT").path == f"/api/v3/trades?symbol={name}&limit=1"
    assert f"symbol={name}&" in REST.since("币安人生USDT", 5, 0, "").path


@pytest.mark.parametrize("status", ["BREAK", "CANCEL_ONLY", "PRE_TRADING"])
def test_a_pair_that_is_halted_is_refused_with_its_status(status: str) -> None:
    """It may trade again; its neighbours can be captured."""
    found = listed(entry(), entry("MATIC", status=status))
    assert found.refusal("BTC/USDT") == ""
    assert f"its status is '{status}'" in found.refusal("MATIC/USDT")


@pytest.mark.parametrize(
    "odd",
    [
        {"filters": None},
        {"filters": [None]},
        {"filters": {}},
        {"filters": [{"filterType": "PRICE_FILTER", "tickSize": None}]},
        *({"filters": [{"filterType": "PRICE_FILTER", "tickSize": tick}]} for tick in ("", "NaN", "1e-8", "0,1")),
        {"status": None},
        {"symbol": None},
        {"symbol": 7},
    ],
)
def test_an_odd_entry_is_refused_alone(odd: dict[str, Any]) -> None:
    """When it is asked for, with what is odd of it; whatever part that is."""
    found = listed(entry("NEW", **odd), entry(), entry("ETH"))
    assert [found.refusal(symbol) for symbol in ("BTC/USDT", "ETH/USDT")] == ["", ""]
    assert "cannot be read" in found.refusal("NEW/USDT")
    assert found.nameless == []


@pytest.mark.parametrize("odd", [None, 7, [], {}, {"symbol": "NEWUSDT"}, entry(baseAsset=None), entry(quoteAsset=3)])
def test_an_entry_without_a_name_is_left_out_and_counted(odd: Any) -> None:
    """Nobody can ask for it."""
    found = listed(odd, entry(), odd)
    assert list(found.listings) == ["BTC/USDT"]
    assert len(found.nameless) == 2


def test_a_symbol_that_is_listed_twice_can_be_captured_if_one_of_them_can() -> None:
    """A pair that was renamed stays in the list for a while."""
    assert listed(entry(status="BREAK"), entry(symbol="NEWER")).name("BTC/USDT") == "NEWER"
    assert listed(entry(symbol="NEWER"), entry(status="BREAK")).name("BTC/USDT") == "NEWER"


def test_a_pair_with_more_decimals_than_the_schema_is_refused() -> None:
    """Its prices would have to be rounded."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.0000000001"}]
    assert "10 decimals" in listed(entry("PEPE", "BTC", filters=filters, status="BREAK")).refusal("PEPE/BTC")


@pytest.mark.parametrize("said", [b"<html>", b"{}", b'{"code":-1003,"msg":"Too many requests"}', b'{"symbols":[{}]}'])
def test_an_answer_of_another_shape_is_a_value_error(said: bytes) -> None:
    """The caller names the URL."""
    with pytest.raises(ValueError, match=r"malformed|required field|Expected"):
        REST.read_pairs(said)
    with pytest.raises(ValueError, match=r"malformed|Expected"):
        REST.read_trades("BTC/USDT", said)


def test_the_list_of_pairs_is_one_call() -> None:
    """It is asked for whole, at its weight."""
    (call,) = REST.pairs()
    assert (call.path, call.cost) == ("/api/v3/exchangeInfo", 20)
