"""Gold: every trade once, whatever the venues repeat; state is exact and never expires."""

from collections import Counter
from collections.abc import Iterable
from itertools import compress

import numpy as np
from pyroaring import BitMap64

from k2_shared.columns import Flags, Longs, decode_columns
from k2_shared.dlq import Refuser
from k2_shared.errors import InvalidRecord
from k2_shared.records import Batch, Record
from k2_shared.topics import DLQ, GOLD
from k2_shared.trade import message_id
from k2_shared.transactions import Outcome

_MAX_DIGITS = 19  # what 64 bits hold in any case


class SeenTrades:
    """The trade ids of each EXCHANGE:SYMBOL that are in gold, and those staged to be.

    A roaring bitmap per symbol: exact, about 0.001 bytes an id where ids are contiguous.
    """

    def __init__(self) -> None:
        self._seen: dict[str, BitMap64] = {}
        self._staged: dict[str, BitMap64] = {}

    def stage(self, message: str) -> bool:
        """Stage a message id; False where it is in gold or staged already.

        Raises:
            InvalidRecord: it is not EXCHANGE:SYMBOL: and an integer of 1 to 19 digits.
        """
        symbol, trade_id = _split(message)
        staged = self._staged.setdefault(symbol, BitMap64())
        if trade_id in staged or trade_id in self._seen.get(symbol, ()):
            return False
        staged.add(trade_id)
        return True

    def stage_all(self, symbol: str, trade_ids: Longs) -> Flags:
        """Stage ids of one symbol; which of them are new, that is not in gold, not staged, not earlier among them."""
        batch = BitMap64(trade_ids.tolist())
        staged = self._staged.setdefault(symbol, BitMap64())
        known = (batch & self._seen.get(symbol, BitMap64())) | (batch & staged)
        new = np.ones(len(trade_ids), np.bool_)
        if known:
            new &= ~np.isin(trade_ids, np.array(known, np.int64))
        if len(batch) < len(trade_ids):
            new &= _first(trade_ids)
        staged |= batch
        return new

    def merge(self) -> None:
        """What is staged is in gold now."""
        for symbol, ids in self._staged.items():
            self._seen.setdefault(symbol, BitMap64()).update(ids)
        self._staged.clear()

    def discard(self) -> None:
        """What is staged did not come to be."""
        self._staged.clear()

    def add(self, messages: Iterable[str]) -> None:
        """Take in message ids that are in gold."""
        for message in messages:
            self.stage(message)
        self.merge()


def _first(trade_ids: Longs) -> Flags:
    """Which ids have no equal before them."""
    _, places = np.unique(trade_ids, return_index=True)
    first = np.zeros(len(trade_ids), np.bool_)
    first[places] = True
    return first


def _split(message: str) -> tuple[str, int]:
    symbol, _, trade_id = message.rpartition(":")
    if not (trade_id.isascii() and trade_id.isdigit() and len(trade_id) <= _MAX_DIGITS and trade_id[0] != "0"):
        raise InvalidRecord("message_id_malformed", f"{message!r} does not end in a trade id")
    return symbol, int(trade_id)


class GoldStage:
    """Deduplicates one input partition."""

    def __init__(self, schema_id: int) -> None:
        self._schema_id = schema_id
        self._seen = SeenTrades()
        self._refuser = Refuser("gold", "gold")

    def restore(self, batch: Batch) -> None:
        """Take in what gold holds already."""
        if self._stage(batch) is None:
            self._seen.add(message_id(record.value) for record in batch)
        self._seen.merge()

    def process(self, batch: Batch) -> Outcome:
        """Forward each trade that gold does not hold yet."""
        new = self._stage(batch)
        if new is None:
            return self._one_by_one(batch)
        kept = batch if new.all() else list(compress(batch, new))
        return Outcome({GOLD: kept}, duplicates=len(batch) - len(kept))

    def _stage(self, batch: Batch) -> Flags | None:
        """Stage a batch of ordinary trades and say which are new; None, and nothing staged, where one is not."""
        columns = decode_columns([r.value for r in batch], [r.key for r in batch], self._schema_id)
        if not columns.plain.all():
            return None
        new = np.zeros(len(batch), np.bool_)
        for code, symbol in enumerate(columns.symbols):
            rows = np.flatnonzero(columns.symbol == code)
            new[rows] = self._seen.stage_all(symbol.decode(), columns.trade_id[rows])
        return new

    def _one_by_one(self, batch: Batch) -> Outcome:
        rejected: Counter[str] = Counter()
        kept: list[Record] = []
        refused: list[Record] = []
        for record in batch:
            try:
                if self._seen.stage(message_id(record.value)):
                    kept.append(record)
            except InvalidRecord as error:
                rejected[error.reason] += 1
                refused.append(self._refuser.refuse(record, error))
        return Outcome({GOLD: kept, DLQ: refused}, rejected, len(batch) - len(kept) - len(refused))

    def merge(self) -> None:
        """The transaction was committed."""
        self._seen.merge()

    def discard(self) -> None:
        """The transaction was aborted."""
        self._seen.discard()
