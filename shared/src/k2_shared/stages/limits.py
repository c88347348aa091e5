"""The limits of an exactly-once agent's loops."""

from dataclasses import dataclass, field
from typing import Self

from k2_shared.stages.breaker import Threshold
from k2_shared.stages.failpoints import Failpoints
from k2_shared.stages.settings import ProcessorSettings


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """The limits of a partition's loop: records of a batch, waits, attempts, and what the breaker tolerates."""

    max_records: int = 10_000
    poll_ms: int = 200
    rest_s: float = 0.03  # after a commit, at least: the broker still marks the last transaction
    rest_max_s: float = 0.2
    rest_factor: float = 0.5  # of what the last transaction took
    attempts: int = 60
    backoff_s: float = 0.2
    backoff_max_s: float = 5.0
    revoke_timeout_s: float = 8.0
    producer_records: int = 1_000_000_000  # then a new producer: aiokafka counts wrongly from 2^31 on
    transaction_s: float = 12.0  # under the broker's timeout, so that only a suspended process exceeds that
    checkpoint_s: float = 5.0
    idle_checkpoint_records: int = 100_000  # an idle partition follows its output's end in such steps
    instance: str | None = None
    threshold: Threshold = field(default_factory=Threshold)
    failpoints: Failpoints = field(default_factory=Failpoints)

    @classmethod
    def of(cls, settings: ProcessorSettings, checkpoint_s: float = 5.0) -> Self:
        """Take what can be set from the settings, the rest from the defaults."""
        return cls(
            instance=settings.k2_instance,
            threshold=Threshold(settings.breaker_records, settings.breaker_share, settings.breaker_run),
            failpoints=Failpoints(settings.k2_failpoint),
            checkpoint_s=checkpoint_s,
        )
