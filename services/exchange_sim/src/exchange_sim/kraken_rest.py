"""Kraken's public REST answers, sans I/O.

Source: https://docs.kraken.com/api/docs/rest-api/get-recent-trades and its neighbours.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from exchange_sim.conditions import Conditions
from exchange_sim.listing import History
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Instrument, Trade
from exchange_sim.rest_view import rest_view
from exchange_sim.symbols import KRAKEN_REST, is_tokenized

MAX_TRADES = 1_000
LOT_DECIMALS = 8
_SECONDS_BELOW = 10**12  # `since` is documented in seconds and answered in ns: as ns this is 1970
_CRYPTO_X = frozenset(["XBT", "ETH", "LTC", "XRP", "XDG", "XLM", "ZEC", "XMR", "ETC", "REP", "MLN"])
_FIAT_Z = frozenset(["USD", "EUR", "GBP", "CAD", "JPY", "AUD"])
_CURRENCY, _TOKENIZED = "currency", "tokenized_asset"
_Query = Mapping[str, str]


def asset(currency: str) -> str:
    """Kraken's REST name of a canonical currency: BTC is XXBT, USD is ZUSD, USDT is USDT."""
    altname = KRAKEN_REST.get(currency, currency)
    if altname in _CRYPTO_X:
        return f"X{altname}"
    return f"Z{altname}" if altname in _FIAT_Z else altname


def pair(instrument: Instrument) -> str:
    """The key under which answers carry a pair: XXBTZUSD of XBTUSD, but XBTUSDT of XBTUSDT."""
    names = asset(instrument.base), asset(instrument.quote)
    old = all(len(name) == 4 and name[0] in "XZ" and name[1:] in _CRYPTO_X | _FIAT_Z for name in names)
    return "".join(names) if old and instrument.base != "DOGE" else instrument.native


def asset_class(instrument: Instrument) -> str:
    """Kraken's class of a pair's base: tokenized stocks are listed and asked for apart from currencies."""
    return _TOKENIZED if is_tokenized(instrument) else _CURRENCY


def wsname(instrument: Instrument) -> str:
    """The v1 socket's name, which AssetPairs still gives: XBT/USDT."""
    return "/".join(KRAKEN_REST.get(currency, currency) for currency in (instrument.base, instrument.quote))


class KrakenRest:
    """Answers the public REST calls from the replays; every answer is HTTP 200, errors are in the body."""

    def __init__(
        self,
        markets: Iterable[MarketReplay | History],
        now: Callable[[], float] = time.time,
        conditions: Conditions | None = None,
    ) -> None:
        self._replays = [rest_view(market) for market in markets]
        self._conditions = conditions or Conditions("KRAKEN")
        self._now = now
        self._by_name = {
            name: replay
            for replay in self._replays
            for name in (replay.instrument.native, pair(replay.instrument), wsname(replay.instrument))
        }
        self._calls: dict[str, Callable[[_Query], str]] = {
            "Trades": self._trades,
            "AssetPairs": self._asset_pairs,
            "Assets": self._assets,
            "Time": self._time,
            "SystemStatus": self._system_status,
        }

    def answer(self, call: str, query: _Query) -> str:
        """The body for ``/0/public/<call>``."""
        found = self._calls.get(call)
        return found(query) if found else _error("EGeneral:Unknown method")

    def _trades(self, query: _Query) -> str:
        if "pair" not in query:
            return _error("EGeneral:Invalid arguments")
        replay = self._by_name.get(query["pair"])
        if replay is None:
            return _error("EQuery:Unknown asset pair")
        if query.get("asset_class", _CURRENCY) != asset_class(replay.instrument):
            return _error("EGeneral:Invalid arguments")
        try:
            count = int(query.get("count", MAX_TRADES))
            since_ns = _since_ns(query["since"]) if "since" in query else None
        except (ValueError, ArithmeticError):
            return _error("EGeneral:Invalid arguments")
        if not 1 <= count <= MAX_TRADES:
            return _error("EGeneral:Invalid arguments:count")
        # a page begins with the trades of `since` itself, so pages that follow `last` overlap at their edge
        if since_ns is None:
            trades = replay.recent(count)
            last = trades[-1].time_ns if trades else 0
        else:
            trades, last = replay.since(since_ns, count)
        return _page(replay.instrument, trades, None if self._conditions.take("rest_no_last") else last)

    def _asset_pairs(self, query: _Query) -> str:
        wanted = query.get("aclass_base", _CURRENCY)
        if wanted not in (_CURRENCY, _TOKENIZED):
            return _error("EGeneral:Invalid arguments:aclass_base")
        replays = [replay for replay in self._replays if asset_class(replay.instrument) == wanted and replay.listed]
        if "pair" in query:
            found = [self._by_name.get(name) for name in query["pair"].split(",")]
            if not all(replay in replays for replay in found):
                return _error("EQuery:Unknown asset pair")
            replays = [replay for replay in replays if replay in found]
        return _result({pair(replay.instrument): _describe(replay) for replay in replays})

    def _assets(self, _query: _Query) -> str:
        currencies = {currency for replay in self._replays for currency in replay.instrument.symbol.split("/")}
        return _result({asset(currency): _asset(currency) for currency in sorted(currencies)})

    def _time(self, _query: _Query) -> str:
        now = datetime.fromtimestamp(self._now(), UTC)
        return _result({"unixtime": int(now.timestamp()), "rfc1123": f"{now:%a, %d %b %y %H:%M:%S} +0000"})

    def _system_status(self, _query: _Query) -> str:
        status = "maintenance" if self._conditions.active("maintenance") else "online"
        now = datetime.fromtimestamp(self._now(), UTC)
        return _result({"status": status, "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def _since_ns(text: str) -> int:
    since = Decimal(text)
    return int(since * 1_000_000_000) if since < _SECONDS_BELOW else int(since)


def _page(instrument: Instrument, trades: list[Trade], last: int | None) -> str:
    rows = ",".join(trade.text for trade in trades)
    cursor = "" if last is None else f',"last":"{last}"'
    return f'{{"error":[],"result":{{"{pair(instrument)}":[{rows}]{cursor}}}}}'


def _describe(replay: History) -> dict[str, object]:
    instrument, decimals = replay.instrument, replay.price_decimals
    return {
        "altname": instrument.native,
        "wsname": wsname(instrument),
        "aclass_base": asset_class(instrument),
        "base": asset(instrument.base),
        "aclass_quote": "currency",
        "quote": asset(instrument.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": decimals,
        "lot_decimals": LOT_DECIMALS,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": f"{Decimal(1).scaleb(-decimals):f}",
        "status": replay.status,
    }


def _asset(currency: str) -> dict[str, object]:
    altname = KRAKEN_REST.get(currency, currency)
    return {
        "aclass": "currency",
        "altname": altname,
        "decimals": 10,
        "display_decimals": 5,
        "status": "enabled",
    }


def _result(result: object) -> str:
    return json.dumps({"error": [], "result": result}, separators=(",", ":"))


def _error(error: str) -> str:
    return json.dumps({"error": [error]}, separators=(",", ":"))
