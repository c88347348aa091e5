"""The rules of a valid trade, as data in the order in which they are tried."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from k2_shared.core.columns import TradeColumns
from k2_shared.core.contracts import venues
from k2_shared.core.layout import Flags
from k2_shared.core.symbol import unfit
from k2_shared.core.trade import Exchange, fits

_TRADE_ID = re.compile(r"[1-9][0-9]{0,18}")
_LONG_MAX = 2**63 - 1
_UNSCALED_LIMIT = 10**18
VENUE_BIRTH_US: Mapping[Exchange, int] = {venue.exchange: venue.born_us for venue in venues().values()}

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a trade is checked against: its record's key, its topic's exchange, the latest time allowed (µs)."""

    key: bytes | None
    exchange: Exchange
    latest_us: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``reason`` is its code in the DLQ and in metrics."""

    reason: str
    says: str
    holds: Callable[[Fields, Context], bool]


RULES = (
    Rule("exchange_mismatch", "the exchange is the topic's", lambda t, c: t["exchange"] == c.exchange),
    Rule("symbol_malformed", "the symbol is BASE/QUOTE", lambda t, c: not unfit(t["symbol"])),
    Rule(
        "currency_mismatch",
        "the currency is the symbol's quote",
        lambda t, c: t["currency"] == t["symbol"].partition("/")[2],
    ),
    Rule(
        "key_mismatch",
        "the key is EXCHANGE:SYMBOL",
        lambda t, c: c.key == f"{t['exchange']}:{t['symbol']}".encode(),
    ),
    Rule(
        "trade_id_invalid",
        "the trade id is an integer from 1 to 2^63 - 1",
        lambda t, c: _TRADE_ID.fullmatch(t["trade_id"]) is not None and int(t["trade_id"]) <= _LONG_MAX,
    ),
    Rule(
        "message_id_mismatch",
        "the message id is EXCHANGE:SYMBOL:TRADE_ID",
        lambda t, c: t["message_id"] == f"{t['exchange']}:{t['symbol']}:{t['trade_id']}",
    ),
    Rule(
        "sequence_mismatch",
        "the source sequence, where given, is the trade id",
        lambda t, c: t["source_sequence"] is None or t["source_sequence"] == int(t["trade_id"]),
    ),
    Rule(
        "decimal_overflow",
        "price and quantity fit decimal(18,8)",
        lambda t, c: fits(t["price"]) and fits(t["quantity"]),
    ),
    Rule("price_not_positive", "the price is above 0", lambda t, c: t["price"] > 0),
    Rule("quantity_not_positive", "the quantity is above 0", lambda t, c: t["quantity"] > 0),
    Rule(
        "timestamp_too_old",
        "the timestamp is not before the venue existed",
        lambda t, c: t["timestamp"] >= VENUE_BIRTH_US[c.exchange],
    ),
    Rule(
        "timestamp_in_future",
        "the timestamp is not later than now plus the allowed skew",
        lambda t, c: t["timestamp"] <= c.latest_us,
    ),
)


def sound(columns: TradeColumns, exchange: Exchange, latest_us: int) -> Flags:
    """Which rows keep every rule, judged by column; whether any other row does, ``broken`` decides."""
    well_formed = np.array([_is_symbol_of(exchange, key) for key in columns.symbols], np.bool_)
    in_range = [(decimal > 0) & (decimal < _UNSCALED_LIMIT) for decimal in (columns.price, columns.quantity)]
    in_time = (columns.timestamp >= VENUE_BIRTH_US[exchange]) & (columns.timestamp <= latest_us)
    return np.asarray(columns.plain & well_formed[columns.symbol] & in_range[0] & in_range[1] & in_time, np.bool_)


def _is_symbol_of(exchange: Exchange, key: bytes) -> bool:
    """Whether a key is EXCHANGE:SYMBOL; what is no UTF-8 becomes a character that no symbol has."""
    name, _, symbol = key.decode("utf-8", "replace").partition(":")
    return name == exchange and not unfit(symbol)


def broken(trade: Fields, context: Context) -> Rule | None:
    """The first rule that a trade breaks, or None."""
    return next((rule for rule in RULES if not rule.holds(trade, context)), None)
