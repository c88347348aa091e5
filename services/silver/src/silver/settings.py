"""The settings of silver."""

from pydantic import Field

from k2_shared.stages.settings import ProcessorSettings

SERVICE = "silver"


class SilverSettings(ProcessorSettings):
    """What silver refuses."""

    silver_max_clock_skew_s: float = Field(
        60.0, ge=0, le=86_400, description="how far ahead of our clock an exchange's time may be, in seconds"
    )
