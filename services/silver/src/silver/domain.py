"""Silver: what is valid goes on byte for byte, what is not goes whole to the dead-letter queue."""

import time
from collections import Counter
from collections.abc import Callable

from k2_shared.dlq import Refuser
from k2_shared.errors import InvalidRecord
from k2_shared.records import Batch, Consumed, Outgoing, forward
from k2_shared.topics import SILVER
from k2_shared.trade import Exchange, decode
from k2_shared.transactions import Outcome
from silver.rules import Context, broken


class SilverStage:
    """Validates one input partition; it has no state."""

    def __init__(
        self,
        exchange: Exchange,
        schema_id: int,
        max_skew_s: float,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._exchange = exchange
        self._schema_id = schema_id
        self._max_skew_us = int(max_skew_s * 1_000_000)
        self._clock_ns = clock_ns
        self._output = SILVER.format(exchange=exchange.lower())
        self._refuser = Refuser("silver", "silver")

    def process(self, batch: Batch) -> Outcome:
        """Validate every record against now plus the allowed skew."""
        latest_us = self._clock_ns() // 1_000 + self._max_skew_us
        rejected: Counter[str] = Counter()
        outgoing: list[Outgoing] = []
        for record in batch:
            try:
                self._validate(record, latest_us)
            except InvalidRecord as error:
                rejected[error.reason] += 1
                outgoing.append(self._refuser.refuse(record, error))
            else:
                outgoing.append(forward(record, self._output))
        return Outcome(outgoing, rejected)

    def _validate(self, record: Consumed, latest_us: int) -> None:
        trade = decode(record.value, self._schema_id)
        if rule := broken(trade, Context(record.key, self._exchange, latest_us)):
            raise InvalidRecord(rule.reason, f"{trade['message_id']}: broken is '{rule.says}'")

    def restore(self, batch: Batch) -> None:
        """There is nothing to restore."""

    def merge(self) -> None:
        """There is no state to merge."""

    def discard(self) -> None:
        """There is no state to discard."""
