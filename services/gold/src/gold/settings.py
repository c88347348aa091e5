"""The settings of gold."""

from pydantic import Field

from k2_shared.stages.settings import ProcessorSettings


class GoldSettings(ProcessorSettings):
    """Gold's settings: how often it saves its state, and how many trades a symbol it can compare."""

    checkpoint_interval_s: float = Field(5.0, gt=0, le=3_600)
    gold_compared_ids: int = Field(4_096, ge=256, le=1_048_576, description="newest trades a symbol, 24 bytes each")
