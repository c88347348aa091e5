"""The settings of the offload."""

from pydantic import Field

from k2_shared.core.lake_settings import ColdSettings
from k2_shared.core.schedule import Schedule
from k2_shared.core.settings import AgentSettings

SERVICE = "offload"


class OffloadSettings(AgentSettings, ColdSettings):
    """When each table is offloaded, how often it is tried, and how long snapshots are kept."""

    offload_raw_schedule: Schedule = Field("5 * * * *", description="when raw_trades is offloaded, a line of a crontab")
    offload_bronze_schedule: Schedule = Field("6 * * * *", description="the same of bronze_trades")
    offload_silver_schedule: Schedule = Field("7 * * * *", description="the same of silver_trades")
    offload_candles_schedule: Schedule = Field("9 * * * *", description="the same of the six tables of candles")
    offload_attempts: int = Field(
        20,
        ge=2,
        le=1_000,
        description="at reading or committing an hour, before the table is left till OFFLOAD_RETRY_S",
    )
    offload_retry_s: float = Field(60.0, gt=0, le=3_600, description="pause before a table that failed is tried again")
    offload_snapshot_age_s: float = Field(604_800.0, ge=0, le=31_536_000, description="older snapshots are expired")

    def schedule(self, table: str) -> str:
        """When a cold table is offloaded."""
        of_trades = {
            "raw_trades": self.offload_raw_schedule,
            "bronze_trades": self.offload_bronze_schedule,
            "silver_trades": self.offload_silver_schedule,
        }
        return of_trades.get(table, self.offload_candles_schedule)
