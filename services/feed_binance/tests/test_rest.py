"""Binance's REST: pages by id, exact numbers, and its names for pairs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from feed_binance.rest import BinanceRest
from k2_shared.feed.rest import Listing

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


def test_pairs_map_canonical_symbols_to_binances() -> None:
    """From base and quote, since BTCUSDT alone does not say where it splits."""
    filters = [{"filterType": "LOT_SIZE"}, {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}]
    pair = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters}
    assert REST.read_pairs(json.dumps({"symbols": [pair]}).encode()) == {"BTC/USDT": Listing("BTCUSDT")}


def test_a_pair_with_more_decimals_than_the_schema_is_refused() -> None:
    """Its prices would have to be rounded."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.0000000001"}]
    pair = {"symbol": "PEPEBTC", "baseAsset": "PEPE", "quoteAsset": "BTC", "filters": filters}
    assert "10 decimals" in REST.read_pairs(json.dumps({"symbols": [pair]}).encode())["PEPE/BTC"].refused


@pytest.mark.parametrize("said", [b"<html>", b"{}", b'{"code":-1003,"msg":"Too many requests"}', b'{"symbols":[{}]}'])
def test_an_answer_of_another_shape_is_a_value_error(said: bytes) -> None:
    """The caller names the URL."""
    with pytest.raises(ValueError, match=r"malformed|required field|Expected"):
        REST.read_pairs(said)
    with pytest.raises(ValueError, match=r"malformed|Expected"):
        REST.read_trades("BTC/USDT", said)
