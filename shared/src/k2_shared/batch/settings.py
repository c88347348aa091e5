"""Where Spark is, and what it may take."""

from pydantic import Field

from k2_shared.core.lake_settings import ColdSettings, SnapshotSettings
from k2_shared.core.settings import Settings


class SparkSettings(Settings):
    """How a Spark driver is started; it lives only while it works."""

    spark_python: str = Field(
        "", description="Python of an environment with Spark, as .venv-spark/bin/python; empty for this one"
    )
    spark_master: str = Field(
        "local[2]",
        pattern=r"^(local(\[(\d+|\*)\])?|spark://.+)$",
        description="where Spark computes: in its driver, or on a cluster, spark://host:port",
    )
    spark_jars: str = Field(
        "", description="folder of Iceberg's jars, the same on every machine of a cluster; empty for those of the stack"
    )
    spark_driver_memory: str = Field("2g", pattern=r"^\d+[mg]$", description="heap of the driver's Java")
    spark_executor_memory: str = Field("2g", pattern=r"^\d+[mg]$", description="heap of each executor, on a cluster")
    spark_scratch_dir: str = Field(
        "", description="folder of what its memory does not hold; empty for that of temporary files"
    )
    spark_stop_s: float = Field(
        10.0, gt=0, le=300, description="for a driver to end when it is told to, before it is killed"
    )


class MaintenanceSettings(SparkSettings, ColdSettings, SnapshotSettings):
    """What the lake's daily maintenance keeps, and how long it may take."""

    maintenance_limit_s: float = Field(
        3_600.0, gt=0, le=86_400, description="after which what is under way is ended, and what is left is told"
    )
    maintenance_attempts: int = Field(60, ge=1, le=1_000, description="at one step of one table")
    maintenance_target_bytes: int = Field(
        134_217_728, ge=1_048_576, le=2_147_483_648, description="of a file that is compacted"
    )
    maintenance_orphan_age_s: int = Field(
        259_200,
        ge=86_400,
        le=31_536_000,
        description="younger files that no snapshot knows are left: they may be someone's who has yet to commit",
    )
    maintenance_snapshot_age_s: float = Field(
        604_800.0, ge=0, le=31_536_000, description="older snapshots of cold and audit tables are expired"
    )
