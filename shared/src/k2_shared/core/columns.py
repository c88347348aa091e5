"""A batch of encoded trades decoded column by column, and which of its rows are ordinary trades.

A record that is anything but an ordinary trade (laid out in another way, a null sequence, fields that disagree, text
that is no UTF-8, …) is only marked as not ``plain``: its owner decodes it alone, by ``trade.decode``, and decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from k2_shared.core.contracts import trade_schema
from k2_shared.core.layout import Bytes, Flags, Layout, Longs, Span, equals, is_text, keep_texts, lay_out, window
from k2_shared.core.symbol import MAX_BYTES
from k2_shared.core.trade import Schemas, record_key

_ENUMS = {field["name"]: field["type"]["symbols"] for field in trade_schema()["fields"] if "symbols" in field["type"]}
_TRADE_ID_DIGITS = 18
KEY_BYTES = max(len(record_key(exchange, "")) for exchange in _ENUMS["exchange"]) + MAX_BYTES
"""Of a key that a symbol may have."""
_HIGH = 0x80
_POWERS = 10 ** np.arange(_TRADE_ID_DIGITS)


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """The columns of a batch; what stands in a row that is not ``plain`` means nothing.

    ``price`` and ``quantity`` are unscaled (10^-8), times in microseconds, ``side`` 0 for BUY and 1 for SELL;
    ``symbols`` are the distinct keys, to which ``symbol`` points.
    """

    plain: Flags
    symbols: Sequence[bytes]
    symbol: Longs
    trade_id: Longs
    timestamp: Longs
    price: Longs
    quantity: Longs
    side: Longs


def decode_columns(values: Sequence[bytes | None], keys: Sequence[bytes | None], schemas: Schemas) -> TradeColumns:
    """Decode a batch: record values in the registry's wire format, and their keys.

    A row is plain where the value is an ordinary trade whose id, symbol, exchange, currency, sequence and key agree.
    """
    found = lay_out(values, schemas)
    found.plain[...] &= found.present["source_sequence"]
    symbols, codes = _distinct(keys)
    if values:
        _check_vendor_data(found)
        _check_digits(found)
        _check_exchange(found, symbols, codes)
        _check_key(found, symbols, codes)
    wanted = ("source_sequence", "timestamp", "price", "quantity", "side")
    return TradeColumns(found.plain, symbols, codes, *(found.numbers[name] for name in wanted))


def _distinct(keys: Sequence[bytes | None]) -> tuple[list[bytes], Longs]:
    """The distinct keys, and which each record has."""
    known: dict[bytes, int] = {}
    codes = np.fromiter((known.setdefault(key or b"", len(known)) for key in keys), np.int64, len(keys))
    return list(known), codes


def _check_vendor_data(found: Layout) -> None:
    """The map's texts are UTF-8."""
    start, length = found.places["vendor_data"]
    high = np.flatnonzero(found.data >= _HIGH)
    odd = found.plain & (np.searchsorted(high, start) != np.searchsorted(high, start + length))
    places = [place for pair in found.maps["vendor_data"].texts for place in pair]
    keep_texts(found, np.flatnonzero(odd), places)


def _check_digits(found: Layout) -> None:
    """The trade id is digits without a leading zero, the sequence is the same number, the message id ends so."""
    plain, (start, length) = found.plain, found.places["trade_id"]
    plain &= (length >= 1) & (length <= _TRADE_ID_DIGITS) & (found.data[start] != ord("0"))
    width = int(length[plain].max(initial=0))
    digits, tail = (_reversed(found.data, found.places[name], length, width) for name in ("trade_id", "message_id"))
    inside = np.arange(width) < length[:, None]
    numbers = digits.astype(np.int64) - ord("0")
    plain &= (((numbers >= 0) & (numbers <= 9) & (digits == tail)) | ~inside).all(axis=1)
    plain &= (np.where(inside, numbers, 0) * _POWERS[:width]).sum(axis=1) == found.numbers["source_sequence"]


def _reversed(data: Bytes, span: Span, length: Longs, width: int) -> Bytes:
    """The last ``length`` bytes of a field from its end, zeros after them: a matrix of ``width`` columns."""
    back = np.arange(width)
    return np.where(back < length[:, None], window(data, span[0] + span[1] - 1, -back), np.uint8(0))


def _check_exchange(found: Layout, symbols: Sequence[bytes], codes: Longs) -> None:
    """The exchange is the key's, by the enum of each row's own schema."""
    named = [key[:KEY_BYTES].partition(b":")[0].decode("ascii", "replace") for key in symbols]
    known = [writer.exchanges for writer in found.writers]
    numbers = np.array([[each.index(name) if name in each else -1 for name in named] for each in known])
    found.plain[...] &= found.numbers["exchange"] == numbers[found.writer, codes]


def _check_key(found: Layout, symbols: Sequence[bytes], codes: Longs) -> None:
    """The key is EXCHANGE:SYMBOL, and every field of text says the same."""
    # A key that no symbol has is not compared: its length alone could take all memory.
    keys = [key if len(key) <= KEY_BYTES and is_text(key) else b"" for key in symbols]
    pairs = [key.partition(b":")[2] for key in keys]
    wanted = [key + b":" for key in keys], pairs, [pair.partition(b"/")[2] for pair in pairs]
    message_id, trade_id, symbol, currency = (
        found.places[name] for name in ("message_id", "trade_id", "symbol", "currency")
    )
    head = message_id[0], message_id[1] - trade_id[1]
    for (start, length), texts in zip((head, symbol, currency), wanted, strict=True):
        lengths = np.array([len(text) for text in texts])
        found.plain[...] &= (length == lengths[codes]) & equals(found.data, start, texts, codes)
