"""The settings of the maintenance."""

from pydantic import Field

from k2_shared.batch.settings import MaintenanceSettings
from k2_shared.core.schedule import Schedule
from k2_shared.core.settings import AgentSettings

SERVICE = "maintenance"


class MaintainerSettings(AgentSettings, MaintenanceSettings):
    """When the maintenance works, and when it tries again."""

    maintenance_schedule: Schedule = Field("0 2 * * *", description="when it works, a line of a crontab, in UTC")
    maintenance_retry_s: float = Field(
        300.0, gt=0, le=86_400, description="pause before a run that failed is tried again, within MAINTENANCE_LIMIT_S"
    )
