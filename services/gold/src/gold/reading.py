"""Decoding for gold: a batch of silver or gold records as rows of symbol, trade id and fingerprint."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import numpy as np

from gold.facts import Prints, fingerprints
from k2_shared.core.columns import KEY_BYTES, TradeColumns, decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.layout import Longs
from k2_shared.core.records import RecordBatch
from k2_shared.core.trade import DECIMAL_SCALE, Exchange, Schemas, decode, record_key
from k2_shared.kafka.topics import partition_for

_MAX_SYMBOLS = 65_536
_MAX_ID = 2**63 - 1
_TRADE_ID = re.compile(r"[1-9][0-9]{0,18}")
_SIDES = ("BUY", "SELL")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a batch: one is either in ``refused`` or of the symbol ``symbols[symbol]``.

    ``event_us`` is the newest exchange time in microseconds.
    """

    symbols: list[str]
    symbol: Longs
    trade_id: Longs
    prints: Prints
    refused: dict[int, InvalidRecord]
    event_us: int

    def of(self, code: int) -> Longs:
        """The rows of one symbol that are not refused."""
        rows: Longs = np.flatnonzero(self.symbol == code)
        return rows if not self.refused else rows[~np.isin(rows, list(self.refused))]


class Reader:
    """Decodes the batches of one partition of an exchange."""

    def __init__(self, exchange: Exchange, schemas: Schemas, partition: int, partitions: int) -> None:
        self._exchange = exchange
        self._schemas = schemas
        self._partition = partition
        self._partitions = partitions
        self._home = lru_cache(_MAX_SYMBOLS)(self._judge_key)

    def read(self, batch: RecordBatch) -> Rows:
        """Decode by column, and one by one what is not an ordinary trade."""
        columns = decode_columns([r.value for r in batch], [r.key for r in batch], self._schemas)
        refused = self._homeless(columns)
        for row in np.flatnonzero(~columns.plain).tolist():
            try:
                self._decode(batch[row].key, batch[row].value, columns, row)
            except InvalidRecord as error:
                refused[row] = error
        return Rows(
            [symbol.decode("utf-8", "replace") for symbol in columns.symbols],
            columns.symbol,
            columns.trade_id,
            fingerprints(columns.price, columns.quantity, columns.side),
            refused,
            int(columns.timestamp[columns.plain].max(initial=0)),
        )

    def _homeless(self, columns: TradeColumns) -> dict[int, InvalidRecord]:
        """The rows whose key is of another partition, whose state alone has their symbol's ids."""
        refused: dict[int, InvalidRecord] = {}
        for code, key in enumerate(columns.symbols):
            # A key that no symbol has is neither hashed nor remembered: its length alone could hold the loop.
            if error := self._home(key) if len(key) <= KEY_BYTES else _no_symbol(key[:KEY_BYTES], self._exchange):
                refused.update(dict.fromkeys(np.flatnonzero(columns.symbol == code).tolist(), error))
        return refused

    def _judge_key(self, key: bytes) -> InvalidRecord | None:
        if not key.startswith(record_key(self._exchange, "")):
            return _no_symbol(key, self._exchange)
        home = partition_for(key, self._partitions)
        if home != self._partition:
            return InvalidRecord("foreign_partition", f"{key!r} belongs to partition {home}, not {self._partition}")
        return None

    def _decode(self, key: bytes | None, value: bytes | None, columns: TradeColumns, row: int) -> None:
        trade = decode(value, self._schemas)
        symbol, _, trade_id = trade["message_id"].rpartition(":")
        if not (_TRADE_ID.fullmatch(trade_id) and int(trade_id) <= _MAX_ID):
            raise InvalidRecord("message_id_malformed", f"{trade['message_id']!r} does not end in a trade id")
        if symbol.encode() != key:
            raise InvalidRecord("message_id_malformed", f"{trade['message_id']!r} is not of its key {key!r}")
        columns.trade_id[row] = int(trade_id)
        columns.price[row], columns.quantity[row] = _unscaled(trade["price"]), _unscaled(trade["quantity"])
        columns.side[row] = _SIDES.index(trade["side"])


def _no_symbol(key: bytes, exchange: Exchange) -> InvalidRecord:
    return InvalidRecord("message_id_malformed", f"the key {key!r} is not {exchange}:SYMBOL")


def _unscaled(value: Decimal) -> int:
    """A decimal as the column holds it; silver lets none through that does not fit 64 bits."""
    return int(value.scaleb(DECIMAL_SCALE)) & _MAX_ID
