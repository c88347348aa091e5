"""The settings of silver."""

from pydantic import Field

from k2_shared.stages.settings import ProcessorSettings


class SilverSettings(ProcessorSettings):
    """Silver's settings: ``silver_max_clock_skew_s`` is how far ahead of our clock a trade's time may be."""

    silver_max_clock_skew_s: float = Field(60.0, ge=0, le=86_400)
