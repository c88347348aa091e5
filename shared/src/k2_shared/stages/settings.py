"""The settings of an exactly-once agent."""

from pydantic import Field

from k2_shared.core.settings import AgentSettings
from k2_shared.stages import failpoints


class ProcessorSettings(AgentSettings):
    """What every exactly-once agent has: its name in the group, its breaker, and a test's failpoint."""

    k2_instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="this process's own name in the group: restarted under it, it has its partitions back at once",
    )
    breaker_records: int = Field(
        1_000, ge=1, le=1_000_000, description="how many of a partition's last records are judged"
    )
    breaker_share: float = Field(0.5, gt=0, le=1, description="halt when more than this share of them is refused")
    breaker_run: int = Field(
        200,
        ge=1,
        le=1_000_000,
        description="halt when so many of a partition in a row are refused, over batches, restarts and owners",
    )
    k2_failpoint: str = Field("", pattern=failpoints.PATTERN, description="for tests: NAME[:kill|stop[:N]]")
