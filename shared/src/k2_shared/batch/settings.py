"""Where Spark is, and what it may take."""

from pydantic import Field

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
    spark_stop_s: float = Field(
        20.0, gt=0, le=300, description="for a driver to end when it is told to, before it is killed"
    )
