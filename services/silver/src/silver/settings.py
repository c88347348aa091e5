"""What silver can be told."""

from pydantic import Field

from k2_shared.stages.settings import ProcessorSettings


class SilverSettings(ProcessorSettings):
    """How far ahead of our clock an exchange's may be."""

    silver_max_clock_skew_s: float = Field(60.0, ge=0, le=86_400)
