"""Binance's public spot REST answers, sans I/O.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
and https://developers.binance.com/docs/binance-spot-api-docs/errors.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from exchange_sim.listing import History
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Trade
from exchange_sim.rest_view import rest_view

DEFAULT_TRADES, MAX_TRADES = 500, 1_000
DECIMALS = 8
_SATOSHI = Decimal(1).scaleb(-DECIMALS)
_STEP = f"{_SATOSHI:f}"
_Query = Mapping[str, str]


class Answer(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: str


class _BadRequestError(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class BinanceRest:
    """Answers the public REST calls from the replays."""

    def __init__(self, markets: Iterable[MarketReplay | History], now: Callable[[], float] = time.time) -> None:
        self._replays = {market.instrument.native: rest_view(market) for market in markets}
        self._now = now
        self._calls: dict[str, Callable[[_Query, bool], object]] = {
            "ping": lambda _query, _micros: {},
            "time": lambda _query, micros: {"serverTime": self._stamp(micros)},
            "exchangeInfo": self._exchange_info,
            "trades": self._trades,
            "historicalTrades": self._historical_trades,
        }

    def answer(self, call: str, query: _Query, *, micros: bool = False) -> Answer:
        """The answer to ``/api/v3/<call>``; ``micros`` is the header ``X-MBX-TIME-UNIT: MICROSECOND``."""
        found = self._calls.get(call)
        if found is None:
            return Answer(404, "{}")
        try:
            return Answer(200, json.dumps(found(query, micros), separators=(",", ":")))
        except _BadRequestError as error:
            return Answer(400, json.dumps({"code": error.code, "msg": error.msg}, separators=(",", ":")))

    def _stamp(self, micros: bool) -> int:
        return int(self._now() * (1_000_000 if micros else 1_000))

    def _exchange_info(self, query: _Query, micros: bool) -> object:
        return {
            "timezone": "UTC",
            "serverTime": self._stamp(micros),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
            ],
            "exchangeFilters": [],
            "symbols": [_describe(replay) for replay in self._asked_for(query)],
        }

    def _asked_for(self, query: _Query) -> list[History]:
        if "symbol" in query:
            return [self._replay(query)]
        if "symbols" not in query:
            return [replay for replay in self._replays.values() if replay.listed]
        try:
            names = json.loads(query["symbols"])
        except ValueError:
            raise _malformed("symbols") from None
        return [self._replay({"symbol": str(name)}) for name in names]

    def _replay(self, query: _Query) -> History:
        if not query.get("symbol"):
            raise _malformed("symbol")
        if query["symbol"] not in self._replays:
            raise _BadRequestError(-1121, "Invalid symbol.")
        return self._replays[query["symbol"]]

    def _trades(self, query: _Query, micros: bool) -> object:
        return [_row(trade, micros) for trade in self._replay(query).recent(_limit(query))]

    def _historical_trades(self, query: _Query, micros: bool) -> object:
        replay, limit = self._replay(query), _limit(query)
        first = _integer(query, "fromId")
        found = replay.recent(limit) if first is None else replay.from_id(first, limit)
        return [_row(trade, micros) for trade in found]


def _limit(query: _Query) -> int:
    limit = _integer(query, "limit")
    if limit == 0:
        raise _BadRequestError(-1128, "Combination of optional parameters invalid.")
    return min(limit or DEFAULT_TRADES, MAX_TRADES)


def _integer(query: _Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        legal = "legal range is '^[0-9]{1,20}$'"
        raise _BadRequestError(-1100, f"Illegal characters found in parameter '{name}'; {legal}.")
    return int(text)


def _malformed(name: str) -> _BadRequestError:
    return _BadRequestError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _row(trade: Trade, micros: bool) -> dict[str, object]:
    return {
        "id": trade.trade_id,
        "price": trade.price,
        "qty": trade.qty,
        "quoteQty": f"{(Decimal(trade.price) * Decimal(trade.qty)).quantize(_SATOSHI, ROUND_DOWN):f}",
        "time": trade.time_ns // (1_000 if micros else 1_000_000),
        "isBuyerMaker": trade.side == "sell",
        "isBestMatch": True,
    }


def _describe(replay: History) -> dict[str, object]:
    instrument = replay.instrument
    decimals = max(DECIMALS, replay.price_decimals)
    tick = f"{Decimal(1).scaleb(-replay.price_decimals):.{decimals}f}"
    return {
        "symbol": instrument.native,
        "status": replay.status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": DECIMALS,
        "quoteAsset": instrument.quote,
        "quotePrecision": decimals,
        "quoteAssetPrecision": decimals,
        "baseCommissionPrecision": DECIMALS,
        "quoteCommissionPrecision": DECIMALS,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": _STEP, "maxQty": "100000000000", "stepSize": _STEP},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }
