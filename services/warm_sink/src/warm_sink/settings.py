"""The settings of the warm sink."""

from pydantic import Field

from k2_shared.core.settings import AgentSettings, ClickHouseSettings

SERVICE = "warm_sink"
MOST_ROWS = 200_000
"""Of one insert."""


class WarmSinkSettings(AgentSettings, ClickHouseSettings):
    """When it inserts, how often it tries, how often it measures the tables."""

    warm_interval_s: float = Field(0.5, gt=0, le=60, description="insert at the latest so long after the first record")
    warm_max_rows: int = Field(50_000, ge=1, le=MOST_ROWS, description="insert at so many rows")
    warm_max_bytes: int = Field(
        8_388_608, ge=65_536, le=67_108_864, description="insert at so many bytes of rows in memory"
    )
    warm_older_candles: int = Field(
        50_000,
        ge=0,
        le=1_000_000,
        description="candles that are kept in memory besides the newest of each symbol and timeframe, 0.5 KB each",
    )
    warm_insert_attempts: int = Field(
        100,
        ge=2,
        le=10_000,
        description="at reading or writing a table, before it ends with exit 4; 100 take 15 minutes",
    )
    warm_outlive_s: float = Field(
        30.0, ge=0, le=86_400, description="the other tables go on so long after one has ended, before the exit"
    )
    warm_measure_interval_s: float = Field(
        15.0, gt=0, le=3_600, description="seconds from one measurement of parts and memory to the next"
    )
