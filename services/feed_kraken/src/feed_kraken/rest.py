"""Kraken's REST: its past by time, and its list of pairs.

Facts: Kraken's API documentation, "REST: Get Recent Trades" and "REST: Get Tradable Asset Pairs".
"""

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec

from k2_shared.core.trade import Side, Trade
from k2_shared.feed.venue import numbers
from k2_shared.feed.venue.listings import Listing, Pairs, listing, read_each
from k2_shared.feed.venue.rest import Call, Page, TooManyCalls

# REST and v1 name two assets otherwise than v2 does.
_V2_ASSETS = {"XBT": "BTC", "XDG": "DOGE"}
_SIDES: Mapping[str, Side] = {"b": "BUY", "s": "SELL"}
_ORDER_TYPES = {"l": "limit", "m": "market"}
_PAGE = 1_000
_CURRENCY = "currency"
_TRADING = frozenset({"online", "limit_only", "reduce_only"})  # orders are matched; in any other status none are


class _Row(msgspec.Struct, array_like=True):
    price: str
    volume: str
    time: msgspec.Raw  # seconds with a fraction: a float would lose digits
    side: Literal["b", "s"]
    order_type: str
    misc: str
    trade_id: int = 0


class _Answer(msgspec.Struct):
    error: list[str]
    result: dict[str, msgspec.Raw] = {}


class _Named(msgspec.Struct):
    """Which pair an entry is of, whatever else it says."""

    wsname: str = ""


class _Pair(_Named):
    altname: str = ""  # REST knows a pair by its wsname too
    aclass_base: str = _CURRENCY
    pair_decimals: int = 0
    status: str = "online"


_ANSWER = msgspec.json.Decoder(_Answer)
_ROWS = msgspec.json.Decoder(list[_Row])
_NAMED = msgspec.json.Decoder(_Named)
_PAIR = msgspec.json.Decoder(_Pair)


class KrakenRest:
    """Pages are asked for by time in ns and begin with the trades of that time.

    The name of a pair that is no currency's begins with its asset class: ``tokenized_asset:AAPLxUSD``.
    """

    by_time = True

    def pairs(self) -> Sequence[Call]:
        """The pairs of currencies, and those of tokenized stocks, which are listed apart."""
        return [Call(f"/0/public/AssetPairs{query}", 1) for query in ("", "?aclass_base=tokenized_asset")]

    def read_pairs(self, answer: bytes) -> Pairs:
        """Canonical symbols are those of v2; a pair without a name on sockets is none.

        Raises:
            ValueError: the answer is an error or not of that shape.
            TooManyCalls: it says so.
        """
        return read_each(_result(answer).values(), _symbol, _listing)

    def newest(self, name: str) -> Call:
        """The newest trade."""
        return _trades(name, count=1)

    def since(self, name: str, first_id: int, after_us: int, cursor: str) -> Call:
        """Trades from a time on; the cursor is ``last`` of the page before, in ns."""
        return _trades(name, count=_PAGE, since=cursor or f"{after_us * 1_000}")

    def read_trades(self, symbol: str, answer: bytes) -> Page:
        """Read a page; rows from before Kraken numbered its trades are left out.

        Raises:
            ValueError: the answer is an error or not of that shape.
        """
        result = _result(answer)
        last = result.pop("last", None)
        rows = _ROWS.decode(next(iter(result.values()), msgspec.Raw(b"[]")))
        trades = sorted((_trade(symbol, row) for row in rows if row.trade_id > 0), key=lambda trade: trade.trade_id)
        return Page(trades, _cursor(last, rows))


def _trades(name: str, **query: object) -> Call:
    """Of a pair that is no currency's Kraken wants to be told the class."""
    asset_class, _, pair = name.rpartition(":")
    told = {"asset_class": asset_class} if asset_class else {}
    return Call(f"/0/public/Trades?{urlencode({'pair': pair, **told, **query})}", 1)


def _result(answer: bytes) -> dict[str, msgspec.Raw]:
    found = _ANSWER.decode(answer)
    if any("Rate limit" in error or "Too many requests" in error for error in found.error):
        raise TooManyCalls(", ".join(found.error))
    if found.error:
        raise ValueError(f"Kraken answered {found.error}")
    return found.result


def _cursor(last: msgspec.Raw | None, rows: list[_Row]) -> str:
    """Where the next page begins: what Kraken says, or the time of the last row, for ``last`` is sometimes missing."""
    if last is not None:
        return str(msgspec.json.decode(last)).strip('"')
    return str(_microseconds(rows[-1].time) * 1_000) if rows else ""


def _symbol(entry: msgspec.Raw) -> str:
    return "/".join(_V2_ASSETS.get(asset, asset) for asset in _NAMED.decode(entry).wsname.split("/"))


def _listing(entry: msgspec.Raw) -> Listing:
    pair = _PAIR.decode(entry)
    name = pair.altname or pair.wsname
    if pair.aclass_base != _CURRENCY:
        name = f"{pair.aclass_base}:{name}"
    return listing(name, pair.pair_decimals, "" if pair.status in _TRADING else pair.status)


def _trade(symbol: str, row: _Row) -> Trade:
    return Trade(
        exchange="KRAKEN",
        symbol=symbol,
        trade_id=row.trade_id,
        timestamp=_microseconds(row.time),
        price=numbers.of_text(row.price),
        quantity=numbers.of_text(row.volume),
        side=_SIDES[row.side],
        vendor_data={"ord_type": _ORDER_TYPES.get(row.order_type, row.order_type)},
    )


def _microseconds(seconds: msgspec.Raw) -> int:
    """From the decimal text of seconds; further digits are truncated."""
    return int(numbers.of_text(bytes(seconds).decode()) * 1_000_000)
