"""Binance's REST: its past by trade id, and its list of pairs.

Facts: Binance's "REST API: Market data endpoints" documentation.
"""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from feed_binance.protocol import FIRST_MICROSECOND_TIME
from k2_shared.feed.rest import Call, Listing, Page, listing
from k2_shared.trade import Trade

_PAGE = 1_000
_PAIRS_WEIGHT, _TRADES_WEIGHT = 20, 25


class _Row(msgspec.Struct):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool  # noqa: N815  # the venue's name
    isBestMatch: bool | None = None  # noqa: N815  # the venue's name


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815  # the venue's name
    tickSize: str = "0"  # noqa: N815  # the venue's name


class _Pair(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815  # the venue's name
    quoteAsset: str  # noqa: N815  # the venue's name
    filters: list[_Filter] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Pair]


_ROWS = msgspec.json.Decoder(list[_Row])
_INFO = msgspec.json.Decoder(_ExchangeInfo)


class BinanceRest:
    """Pages are asked for by id and begin with the first trade of that id or later."""

    by_time = False

    def pairs(self) -> Call:
        """Every pair."""
        return Call("/api/v3/exchangeInfo", _PAIRS_WEIGHT)

    def read_pairs(self, answer: bytes) -> Mapping[str, Listing]:
        """Canonical symbols are BASE/QUOTE.

        Raises:
            ValueError: the answer is not of that shape.
        """
        return {
            f"{pair.baseAsset}/{pair.quoteAsset}": listing(pair.symbol, _price_decimals(pair))
            for pair in _INFO.decode(answer).symbols
        }

    def newest(self, name: str) -> Call:
        """The newest trade."""
        return Call(f"/api/v3/trades?{urlencode({'symbol': name, 'limit': 1})}", _TRADES_WEIGHT)

    def since(self, name: str, first_id: int, after_us: int, cursor: str) -> Call:
        """Trades from an id on."""
        query = urlencode({"symbol": name, "fromId": first_id, "limit": _PAGE})
        return Call(f"/api/v3/historicalTrades?{query}", _TRADES_WEIGHT)

    def read_trades(self, symbol: str, answer: bytes) -> Page:
        """Read a page.

        Raises:
            ValueError: the answer is not of that shape.
        """
        return Page(sorted((_trade(symbol, row) for row in _ROWS.decode(answer)), key=lambda trade: trade.trade_id))


def _price_decimals(pair: _Pair) -> int:
    tick = next((each.tickSize for each in pair.filters if each.filterType == "PRICE_FILTER"), "0")
    return len(tick.rstrip("0").partition(".")[2])


def _trade(symbol: str, row: _Row) -> Trade:
    said = {} if row.isBestMatch is None else {"best_match": str(row.isBestMatch).lower()}
    return Trade(
        exchange="BINANCE",
        symbol=symbol,
        trade_id=row.id,
        timestamp=row.time if row.time >= FIRST_MICROSECOND_TIME else row.time * 1_000,
        price=Decimal(row.price),
        quantity=Decimal(row.qty),
        side="SELL" if row.isBuyerMaker else "BUY",
        vendor_data=said or None,
    )
