"""The settings of the lag exporter."""

from pydantic import Field

from k2_shared.core.settings import AgentSettings

SERVICE = "lag_exporter"


class LagSettings(AgentSettings):
    """How often the broker is asked."""

    lag_interval_s: float = Field(10.0, gt=0, le=300, description="seconds from one measurement to the next")
