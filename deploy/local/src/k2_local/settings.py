"""What can be set about the local stack; each field is read from its upper-case name."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from k2_local.idle_timeout import IdleTimeout
from k2_shared.core.settings import Settings

Catalog = Literal["seaweed", "postgres"]
DEFAULT_CATALOG: Catalog = "seaweed"
HIGHEST_PORT = 55_535  # SeaweedFS adds 10,000 to each of its ports for gRPC
PORT = Field(None, ge=1024, le=HIGHEST_PORT, description="a free port; default: one is chosen and remembered")


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "k2"


class StackSettings(Settings):
    """Folders, ports, memory and time limits of one local stack; everything listens on 127.0.0.1."""

    k2_state_dir: Path = Field(Path(".k2/stack"), description="folder of this stack's data, logs and ports")
    k2_cache_dir: Path = Field(default_factory=_user_cache, description="folder of the downloads, shared by stacks")
    k2_catalog: Catalog | None = Field(
        None, description="Iceberg catalog of a new stack: SeaweedFS' own, which is the default, or one on PostgreSQL"
    )
    k2_kafka_port: int | None = PORT
    k2_kafka_controller_port: int | None = PORT
    k2_registry_port: int | None = PORT
    k2_s3_port: int | None = PORT
    k2_iceberg_port: int | None = PORT
    k2_seaweed_master_port: int | None = PORT
    k2_seaweed_volume_port: int | None = PORT
    k2_seaweed_filer_port: int | None = PORT
    k2_seaweed_admin_port: int | None = PORT
    k2_clickhouse_port: int | None = PORT
    k2_postgres_port: int | None = PORT
    k2_spark_port: int | None = PORT
    k2_spark_web_port: int | None = PORT
    k2_prometheus_port: int | None = PORT
    k2_kafka_heap_mb: int = Field(512, ge=256, le=65_536, description="MiB")
    k2_registry_heap_mb: int = Field(384, ge=192, le=16_384, description="MiB")
    k2_clickhouse_memory_mb: int = Field(2_048, ge=512, le=65_536, description="MiB, of which one query gets half")
    k2_spark_cores: int = Field(2, ge=1, le=64, description="cores that each Spark worker lends to executors")
    k2_spark_memory_mb: int = Field(
        2_048, ge=512, le=65_536, description="MiB that each Spark worker lends to the heaps of executors"
    )
    k2_start_timeout_s: float = Field(90.0, gt=0, le=600, description="for a starting part without a sign of work")
    k2_stop_timeout_s: float = Field(20.0, ge=0, le=300, description="for a stopping part without a sign of work")
    k2_work_timeout_s: float = Field(300.0, gt=0, le=3_600, description="for a start or a stop that works all the time")

    @property
    def state(self) -> Path:
        """The state folder, absolute: the parts run elsewhere."""
        return self.k2_state_dir.expanduser().absolute()

    @property
    def catalog(self) -> Catalog:
        """Which Iceberg catalog the stack has."""
        return self.k2_catalog or DEFAULT_CATALOG

    @property
    def cache(self) -> Path:
        """The cache folder, absolute."""
        return self.k2_cache_dir.expanduser().absolute()

    @property
    def starting(self) -> IdleTimeout:
        """How long a starting part is waited for."""
        return IdleTimeout(self.k2_start_timeout_s, self.k2_work_timeout_s)

    @property
    def stopping(self) -> IdleTimeout:
        """How long a stopping part is waited for before SIGKILL, after which Kafka may serve old offsets."""
        return IdleTimeout(self.k2_stop_timeout_s, self.k2_work_timeout_s)

    def port_set_by_hand(self, name: str) -> int | None:
        """The port that the operator gave for ``name`` (see ``ports.PORTS``), or None; Spark's workers take any."""
        port: int | None = getattr(self, f"k2_{name}_port", None)
        return port
