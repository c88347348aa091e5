"""Binance's REST: its past by trade id, and its list of pairs.

Facts: Binance's "REST API: Market data endpoints" documentation.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from feed_binance.protocol import FIRST_MICROSECOND_TIME
from k2_shared.core.trade import Trade
from k2_shared.feed.venue import numbers
from k2_shared.feed.venue.listings import Listing, Pairs, listing, read_each
from k2_shared.feed.venue.rest import Call, Page

_PAGE = 1_000
_PAIRS_WEIGHT, _TRADES_WEIGHT = 20, 25
_TRADING = "TRADING"
_STEP = re.compile(r"[0-9]+(\.[0-9]+)?")


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


class _Assets(msgspec.Struct):
    """Which pair an entry is of, whatever else it says."""

    baseAsset: str  # noqa: N815  # the venue's name
    quoteAsset: str  # noqa: N815  # the venue's name


class _Pair(msgspec.Struct):
    symbol: str
    status: str = _TRADING
    filters: list[_Filter] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[msgspec.Raw]


_ROWS = msgspec.json.Decoder(list[_Row])
_INFO = msgspec.json.Decoder(_ExchangeInfo)
_ASSETS = msgspec.json.Decoder(_Assets)
_PAIR = msgspec.json.Decoder(_Pair)


class BinanceRest:
    """Pages are asked for by id and begin with the first trade of that id or later."""

    by_time = False

    def pairs(self) -> Sequence[Call]:
        """Every pair."""
        return [Call("/api/v3/exchangeInfo", _PAIRS_WEIGHT)]

    def read_pairs(self, answer: bytes) -> Pairs:
        """Canonical symbols are BASE/QUOTE.

        Raises:
            ValueError: the answer is not of that shape.
        """
        return read_each(_INFO.decode(answer).symbols, _symbol, _listing)

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


def _symbol(entry: msgspec.Raw) -> str:
    assets = _ASSETS.decode(entry)
    return f"{assets.baseAsset}/{assets.quoteAsset}"


def _listing(entry: msgspec.Raw) -> Listing:
    pair = _PAIR.decode(entry)
    return listing(pair.symbol, _price_decimals(pair), "" if pair.status == _TRADING else pair.status)


def _price_decimals(pair: _Pair) -> int:
    """The digits behind the point of the smallest step of a price. Raises ValueError: that is no number."""
    tick = next((each.tickSize for each in pair.filters if each.filterType == "PRICE_FILTER"), "0")
    if not _STEP.fullmatch(tick):
        raise ValueError(f"tickSize {tick!r} is no number")
    return len(tick.partition(".")[2].rstrip("0"))


def _trade(symbol: str, row: _Row) -> Trade:
    said = {} if row.isBestMatch is None else {"best_match": str(row.isBestMatch).lower()}
    return Trade(
        exchange="BINANCE",
        symbol=symbol,
        trade_id=row.id,
        timestamp=row.time if row.time >= FIRST_MICROSECOND_TIME else row.time * 1_000,
        price=numbers.of_text(row.price),
        quantity=numbers.of_text(row.qty),
        side="SELL" if row.isBuyerMaker else "BUY",
        vendor_data=said or None,
    )
