"""Gold: every trade once, whatever the venues repeat; state is exact and never expires."""

from collections import Counter
from collections.abc import Iterable

from pyroaring import BitMap64

from k2_shared.dlq import Refuser
from k2_shared.errors import InvalidRecord
from k2_shared.records import Batch, Outgoing, forward
from k2_shared.topics import GOLD
from k2_shared.trade import message_id
from k2_shared.transactions import Outcome

_MAX_DIGITS = 19  # what 64 bits hold in any case


class SeenTrades:
    """The trade ids of each EXCHANGE:SYMBOL that are in gold, and those staged to be.

    A roaring bitmap per symbol: exact, about 0.001 bytes an id where ids are contiguous.
    """

    def __init__(self) -> None:
        self._seen: dict[str, BitMap64] = {}
        self._staged: dict[str, set[int]] = {}

    def stage(self, message: str) -> bool:
        """Stage a message id; False where it is in gold or staged already.

        Raises:
            InvalidRecord: it is not EXCHANGE:SYMBOL: and an integer of 1 to 19 digits.
        """
        symbol, trade_id = _split(message)
        staged = self._staged.setdefault(symbol, set())
        if trade_id in staged or trade_id in self._seen.get(symbol, ()):
            return False
        staged.add(trade_id)
        return True

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


def _split(message: str) -> tuple[str, int]:
    symbol, _, trade_id = message.rpartition(":")
    if not (trade_id.isascii() and trade_id.isdigit() and len(trade_id) <= _MAX_DIGITS and trade_id[0] != "0"):
        raise InvalidRecord("message_id_malformed", f"{message!r} does not end in a trade id")
    return symbol, int(trade_id)


class GoldStage:
    """Deduplicates one input partition."""

    def __init__(self) -> None:
        self._seen = SeenTrades()
        self._refuser = Refuser("gold", "gold")

    def restore(self, batch: Batch) -> None:
        """Take in what gold holds already."""
        self._seen.add(message_id(record.value) for record in batch)

    def process(self, batch: Batch) -> Outcome:
        """Forward each trade that gold does not hold yet."""
        rejected: Counter[str] = Counter()
        outgoing: list[Outgoing] = []
        for record in batch:
            try:
                if self._seen.stage(message_id(record.value)):
                    outgoing.append(forward(record, GOLD))
            except InvalidRecord as error:
                rejected[error.reason] += 1
                outgoing.append(self._refuser.refuse(record, error))
        return Outcome(outgoing, rejected, duplicates=len(batch) - len(outgoing))

    def merge(self) -> None:
        """The transaction was committed."""
        self._seen.merge()

    def discard(self) -> None:
        """The transaction was aborted."""
        self._seen.discard()
