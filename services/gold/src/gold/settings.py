"""The settings of gold."""

from pydantic import Field

from k2_shared.stages.settings import ProcessorSettings

SERVICE = "gold"


class GoldSettings(ProcessorSettings):
    """How often gold saves its state, and how many trades a symbol it can compare."""

    checkpoint_interval_s: float = Field(
        5.0, gt=0, le=3_600, description="how often a partition that works saves what changed, in seconds"
    )
    gold_compared_ids: int = Field(
        4_096,
        ge=256,
        le=1_048_576,
        description="newest trades of a symbol among which a repeat is told from a conflict, 24 bytes each",
    )
