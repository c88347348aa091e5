"""The settings of the Iceberg sink."""

from pydantic import Field

from k2_shared.core.lake_settings import SinkIdSettings, SnapshotSettings
from k2_shared.core.settings import AgentSettings

SERVICE = "iceberg_sink"


class SinkSettings(AgentSettings, SinkIdSettings, SnapshotSettings):
    """When the sink commits, how often it tries, what it expires."""

    sink_max_rows: int = Field(100_000, ge=1, le=200_000, description="commit at so many rows")
    sink_max_bytes: int = Field(
        8_388_608, ge=65_536, le=268_435_456, description="commit at so many bytes of rows in memory"
    )
    sink_interval_s: float = Field(5.0, gt=0, le=600, description="commit at the latest so long after the first row")
    sink_commit_attempts: int = Field(
        20,
        ge=2,
        le=1_000,
        description="at reading or committing a batch, each whole, before its table ends with exit 4",
    )
    sink_outlive_s: float = Field(
        30.0, ge=0, le=86_400, description="the other tables go on so long after one has ended, before the exit"
    )
    sink_expire_interval_s: float = Field(
        300.0, gt=0, le=86_400, description="how often they are, beginning with the first commit of a start"
    )
