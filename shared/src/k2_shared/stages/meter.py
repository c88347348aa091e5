"""The metrics of one input partition."""

import time
from contextlib import suppress
from typing import Literal

from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import received_ns
from k2_shared.core.records import RecordBatch
from k2_shared.kafka.topics import DLQ
from k2_shared.stages.processor import Outcome, StateSize


class PartitionMeter:
    """Sets the metrics of one input partition; what was read and written counts once it is committed."""

    def __init__(self, metrics: Metrics, service: str, topic: str, partition: int) -> None:
        self._metrics = metrics
        self._of = metrics.partitions
        self._service = service
        self._at = (topic, str(partition))

    def transaction(self, outcome: Literal["committed", "failed", "fenced"]) -> None:
        """Count how a transaction ended."""
        self._of.transactions.labels(*self._at, outcome).inc()

    def failed(self, error: Exception) -> None:
        """Count a failure after which the partition starts over."""
        self.transaction("failed")
        self._metrics.errors.labels(self._service, type(error).__name__).inc()

    def committed(self, batch: RecordBatch, outcome: Outcome, seconds: float) -> None:
        """Count what one committed transaction read and wrote."""
        metrics, count = self._metrics, self._of.records
        self.transaction("committed")
        metrics.duration.labels(self._service).observe(seconds)
        metrics.received.labels(self._at[0]).inc(len(batch))
        metrics.duplicates.inc(outcome.duplicates)
        metrics.uncompared.inc(outcome.uncompared)
        for topic, records in outcome.outgoing.items():
            if topic != DLQ:
                metrics.sent.labels(topic).inc(len(records))
        if outcome.letters:
            metrics.sent.labels(DLQ).inc(outcome.letters)
        for reason, refused in outcome.rejected.items():
            metrics.rejected.labels(reason).inc(refused)
        count.labels(*self._at, "forwarded").inc(len(batch) - outcome.letters - outcome.duplicates)
        count.labels(*self._at, "refused").inc(outcome.letters)
        count.labels(*self._at, "duplicate").inc(outcome.duplicates)
        self._ages(batch, outcome)

    def _ages(self, batch: RecordBatch, outcome: Outcome) -> None:
        now = time.time()
        if batch and (received := received_ns(batch[0].headers)):
            self._metrics.pipeline_age.labels(self._service).observe(max(0.0, now - received / 1e9))
        if outcome.event_us:
            self._metrics.event_age.labels(self._service).observe(max(0.0, now - outcome.event_us / 1e6))

    def lag(self, offsets: int) -> None:
        """Set how many offsets the partition is behind its end at the broker."""
        self._of.lag.labels(*self._at).set(offsets)

    def state(self, size: StateSize) -> None:
        """Set the size of the partition's state."""
        self._of.state_ids.labels(*self._at).set(size.ids)
        self._of.state_bytes.labels(*self._at).set(size.bytes)

    def released(self) -> None:
        """Remove the gauges of a partition that was given up: another process may own it, and set its own."""
        for gauge in (self._of.lag, self._of.state_ids, self._of.state_bytes, self._of.checkpoint):
            with suppress(KeyError):  # it may never have been said
                gauge.remove(*self._at)

    def checkpointed(self, size: StateSize) -> None:
        """Set the time of the last committed checkpoint to now, and the size of the state."""
        self.state(size)
        self._of.checkpoint.labels(*self._at).set_to_current_time()
