"""Kafka: broker and controller in one process, no ZooKeeper, no replication."""

import asyncio
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from k2_local.artifacts import Downloads
from k2_local.disk import write_whole
from k2_local.parts import Launch, NotReadyError, Part, java
from k2_local.ports import PortClaims, choose
from k2_local.processes import completed
from k2_shared.core.errors import Halt, Unavailable
from k2_support.ports import HOST

_LARGEST_MESSAGE = 8 * 1_048_576  # bytes
_CHECK_TIMEOUT_S = 3


class Kafka(Part):
    """The broker; its cluster id is the stack's own."""

    name = "kafka"
    answers_at = "kafka"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        classpath = os.pathsep.join(map(os.fspath, downloads.kafka_classpath))
        properties = self.folder / "server.properties"
        write_whole(properties, "".join(f"{name}={value}\n" for name, value in self._properties().items()))
        logging = self.folder / "log4j2.xml"
        write_whole(logging, files("k2_local").joinpath("log4j2.xml").read_text())
        options = [f"-Dlog4j2.configurationFile={logging}", f"-Dk2.logs={self.site.logs}", "-cp", classpath]
        if (self._data / "meta.properties").exists():
            self._check_storage()
        else:
            self._format(options, properties)
        heap = self.site.settings.k2_kafka_heap_mb
        return Launch(java(heap, *options, "kafka.Kafka", os.fspath(properties)), {})

    def recovery(self, claims: PortClaims) -> Part | None:
        """After a crash, the broker on a private port: until it has restarted cleanly it may serve old offsets.

        See .github/decisions/0004.
        """
        if not (self._data / "meta.properties").exists() or (self._data / ".kafka_cleanshutdown").exists():
            return None
        known = self.site.ports
        unknown = choose(self.name, known.values(), claims)
        return Kafka(replace(self.site, ports={**known, self.answers_at: unknown}))

    def check(self) -> None:
        """Ready when it answers with metadata and this stack's cluster id."""
        try:
            found = asyncio.run(_cluster_id(f"{HOST}:{self.port}"))
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotReadyError(f"no metadata yet ({type(error).__name__})") from None
        if found != self.site.identity.cluster_id:
            raise NotReadyError(f"another cluster ({found}) answers on port {self.port}")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _check_storage(self) -> None:
        cluster_id = f"cluster.id={self.site.identity.cluster_id}"
        if cluster_id not in (self._data / "meta.properties").read_text().splitlines():
            raise Halt(f"{self._data} belongs to another cluster: k2 stack reset deletes it")

    def _format(self, options: list[str], properties: Path) -> None:
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "-t",
            self.site.identity.cluster_id,
            "-c",
            os.fspath(properties),
        ]
        command = java(256, "-XX:TieredStopAtLevel=1", *options, *tool)
        try:
            code, said = completed(command, self.site.settings.starting)
        except TimeoutError as error:
            raise Unavailable(f"kafka: its storage was not formatted {error}") from None
        if code:
            raise Unavailable(f"kafka: its storage could not be formatted: {' '.join(said.strip().splitlines()[-3:])}")

    def _properties(self) -> dict[str, object]:
        broker, controller = self.site.ports["kafka"], self.site.ports["kafka_controller"]
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
            "log.dirs": self._data,
            "auto.create.topics.enable": "false",
            "message.max.bytes": _LARGEST_MESSAGE,
            "replica.fetch.max.bytes": _LARGEST_MESSAGE,
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
        }


async def _cluster_id(bootstrap: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_CHECK_TIMEOUT_S * 1_000)
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await admin.start()
            return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()
