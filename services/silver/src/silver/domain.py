"""Silver's processor: a valid record goes on byte for byte, any other whole to the dead-letter topic."""

import time
from collections import Counter
from collections.abc import Callable
from itertools import compress

import numpy as np

from k2_shared.core.columns import decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import ByTopic, Consumed, Outgoing, RecordBatch
from k2_shared.core.trade import Exchange, Schemas, decode
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import DLQ, SILVER
from k2_shared.stages.processor import Outcome, Processor
from silver.rules import Context, broken, sound


class SilverProcessor(Processor):
    """Validates the records of one input partition; it has no state."""

    def __init__(
        self,
        exchange: Exchange,
        schemas: Schemas,
        max_skew_s: float,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._exchange = exchange
        self._schemas = schemas
        self._max_skew_us = int(max_skew_s * 1_000_000)
        self._clock_ns = clock_ns
        self._output = SILVER.format(exchange=exchange.lower())
        self._refuser = Refuser("silver", "silver")

    def process(self, batch: RecordBatch) -> Outcome:
        """Validate every record against now plus the allowed skew."""
        latest_us = self._clock_ns() // 1_000 + self._max_skew_us
        columns = decode_columns([r.value for r in batch], [r.key for r in batch], self._schemas)
        valid = sound(columns, self._exchange, latest_us)
        if valid.all():
            return Outcome({self._output: batch}, event_us=int(columns.timestamp.max(initial=0)))
        refused: list[Outgoing] = []
        rejected: Counter[str] = Counter()
        for row in np.flatnonzero(~valid).tolist():
            try:
                self._validate(batch[row], latest_us)
            except InvalidRecord as error:
                rejected[error.reason] += 1
                refused.append(self._refuser.refuse(batch[row], error))
            else:
                valid[row] = True
        event_us = int(columns.timestamp[columns.plain & valid].max(initial=0))
        outgoing: ByTopic = {self._output: list(compress(batch, valid)), DLQ: refused}
        return Outcome(outgoing, rejected, np.flatnonzero(~valid).tolist(), event_us=event_us)

    def _validate(self, record: Consumed, latest_us: int) -> None:
        trade = decode(record.value, self._schemas)
        if rule := broken(trade, Context(record.key, self._exchange, latest_us)):
            raise InvalidRecord(rule.reason, f"{trade['message_id']}: broken is '{rule.says}'")
