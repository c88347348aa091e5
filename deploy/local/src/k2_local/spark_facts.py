"""What a Spark master says of its cluster, as its Web UI has it in JSON; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

ALIVE = "ALIVE"


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker as the master knows it; one that was lost stays there for a while, as DEAD."""

    address: str  # host:port
    web: str  # its own Web UI
    state: str
    cores: int
    cores_used: int
    memory_mb: int  # MiB that it lends
    memory_used_mb: int

    @property
    def cores_free(self) -> int:
        """The cores that no application holds."""
        return self.cores - self.cores_used

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read one of the master's ``workers``; raises KeyError."""
        return cls(
            f"{said['host']}:{said['port']}",
            said["webuiaddress"],
            said["state"],
            said["cores"],
            said["coresused"],
            said["memory"],
            said["memoryused"],
        )


@dataclass(frozen=True, slots=True)
class Application:
    """An application that holds, or waits for, a part of the cluster."""

    id: str
    name: str
    state: str
    cores: int  # that it holds
    memory_mb: int  # MiB of each executor

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read one of the master's ``activeapps``; raises KeyError."""
        return cls(said["id"], said["name"], said["state"], said["cores"], said["memoryperexecutor"])


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster at one moment."""

    master: str  # spark://host:port
    state: str
    workers: tuple[WorkerFacts, ...]
    applications: tuple[Application, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read the whole; raises KeyError."""
        workers, running = map(WorkerFacts.of, said["workers"]), map(Application.of, said["activeapps"])
        return cls(said["url"], said["status"], tuple(workers), tuple(running))

    @property
    def alive(self) -> tuple[WorkerFacts, ...]:
        """The workers that get work."""
        return tuple(worker for worker in self.workers if worker.state == ALIVE)

    def alive_at(self, address: str) -> WorkerFacts | None:
        """The worker at an address, if it gets work; after a restart there are two of it, and one is DEAD."""
        return next((worker for worker in self.alive if worker.address == address), None)
