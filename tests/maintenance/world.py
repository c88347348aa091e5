"""A lake that sinks append to, two tiers and their offload, and the maintenance of all tables behind proxies."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pyarrow as pa
import stamina
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import OutputFile
from tests.cold.world import World as Tiers
from tests.cold.world import running as tiers_running
from tests.lake.world import World as Lake
from tests.lake.world import running as lake_running

from iceberg_sink.settings import SinkSettings
from k2_local import Stack
from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.lake import iceberg
from k2_support.http_proxy import HttpProxy

_STRAY = "left-by-a-crash.parquet"
_LOSES = "is at work on"
_SINK = {
    "SINK_COMMIT_ATTEMPTS": str(SinkSettings.model_fields["sink_commit_attempts"].default),  # as anybody has them
    "SINK_EXPIRE_INTERVAL_S": "30",
}
_APPENDS = 50
_OFTEN_S, _SELDOM_S = 1.0, 3.0
_APPENDED = 2  # trades, each of which is a file of each table
_TURN_S = 300.0  # after which the turn of a run that died is over long since
_SETTINGS = {
    "MAINTENANCE_SNAPSHOT_AGE_S": "5",
    "SINK_SNAPSHOT_AGE_S": "5",
    "MAINTENANCE_ATTEMPTS": "300",
    "ICEBERG_TIMEOUT_S": "10",
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1",  # a driver lives for seconds: compiling well does not pay
}


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it said on stderr."""

    code: int
    said: str

    @property
    def was_taken(self) -> bool:
        """Whether another was at work."""
        return self.code == 4 and _LOSES in self.said


@dataclass
class Run:
    """A run of the maintenance: the command, its driver, and the driver's Java."""

    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """End all of it as a crash of the machine would, where it has not ended."""
        with suppress(psutil.NoSuchProcess):
            command = psutil.Process(self.process.pid)
            for each in [command, *command.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()

    async def ended(self) -> Ended:
        """Wait for its end."""
        _, said = await asyncio.to_thread(self.process.communicate)
        return Ended(self.process.returncode, said)


@dataclass
class World:
    """Both worlds; the maintenance has proxies of its own."""

    lake: Lake
    tiers: Tiers
    before_catalog: HttpProxy
    before_store: HttpProxy
    environment: Mapping[str, str]
    rng: random.Random
    runs: list[Run] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many rows all tables must have."""
        return self.lake.records + self.tiers.records

    async def mend(self) -> None:
        """Start what is to be up and is not; the offload's agent runs in its faults alone."""
        await self.lake.mend()
        await self.tiers.mend()

    async def settle(self) -> list[str]:
        """Let everything arrive and compare it; what is not equal, or nothing."""
        return [*await self.lake.settle(), *await self.tiers.settle(), *self._restarts()]

    def _restarts(self) -> list[str]:
        """What nobody has asked for: a table whose attempts are used up ends its sink."""
        ends = [each for sink in self.lake.sinks for each in sink.ended if each.exit_code]
        return [f"a sink ended with exit code {each.exit_code}: {each.log}" for each in ends]

    def start(self, *words: str) -> Run:
        """Begin a run, of all that there is where nothing else is said."""
        command = [sys.executable, "-m", "k2", "maintenance", "run", "--json", *words]
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.runs.append(Run(process))
        return self.runs[-1]

    def end(self) -> None:
        """End what runs still: it does not outlive its servers."""
        for each in self.runs:
            if each.process.poll() is None:
                each.kill()

    @contextmanager
    def often(self) -> Iterator[None]:
        """Append every second for the length of a block; at other times it is less, so that Spark has its turn."""
        self.lake.load.every_s = _OFTEN_S
        try:
            yield
        finally:
            self.lake.load.every_s = _SELDOM_S

    async def fill(self, batches: int) -> None:
        """Let so many batches be appended, each of which is a file of each table."""
        with self.often():
            await self.lake.flow(batches)

    def add_old(self, name: str) -> None:
        """Put a row into a table that no topic has, received two days before its retention ends; others commit, too."""
        days = contracts.tables()[name].retention_days or 0
        received = datetime.now(UTC) - timedelta(days=days + 2)
        row = {"topic": "of-long-ago", "ingestion_timestamp": received, "ingestion_date": received.date()}
        for attempt in stamina.retry_context(on=CommitFailedException, attempts=_APPENDS, timeout=None, wait_max=0.1):
            with attempt:
                table = self.lake.table(name)
                table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))

    def add_stray(self, name: str) -> None:
        """Put a file among a table's own that no snapshot knows."""
        with self._stray(name).create(overwrite=True) as file:
            file.write(b"left by a crash")

    def strays(self, name: str) -> int:
        """How many such files a table has."""
        return int(self._stray(name).exists())

    @staticmethod
    def is_stray(key: str) -> bool:
        """Whether a file of the store is such a one."""
        return key.endswith(_STRAY)

    def _stray(self, name: str) -> OutputFile:
        table = self.lake.table(name)
        made: OutputFile = table.io.new_output(f"{table.location()}/data/{_STRAY}")
        return made

    async def whole(self, *words: str) -> Ended:
        """A run to its end, however long; while another one's turn is not over it is begun again."""
        over = time.monotonic() + _TURN_S
        ended = await self.start(*words).ended()
        while ended.was_taken and time.monotonic() < over:
            ended = await self.start(*words).ended()
        return ended


@asynccontextmanager
async def running(settings: RunSettings, stack: Stack, folder: Path, seed: int) -> AsyncIterator[World]:
    """Both worlds on one prefix, under load, with something in each table."""
    async with AsyncExitStack() as opened:
        lake = await opened.enter_async_context(lake_running(settings, stack, folder / "lake", seed, **_SINK))
        lake.load.every_s, lake.load.trades = _SELDOM_S, _APPENDED
        tiers = await opened.enter_async_context(tiers_running(settings, stack, folder / "tiers", seed))
        for contract in contracts.audit_tables().values():
            iceberg.create(lake.catalog(), lake.names, contract)
        catalog, store = (
            opened.enter_context(HttpProxy(url).listening())
            for url in (lake.lake.iceberg_catalog_uri, lake.lake.s3_endpoint)
        )
        behind = {"ICEBERG_CATALOG_URI": catalog.url, "S3_ENDPOINT": store.url}
        if lake.lake.iceberg_oauth2_server_uri:
            behind["ICEBERG_OAUTH2_SERVER_URI"] = f"{catalog.url}/v1/oauth/tokens"
        environment = {**stack.env(), "K2_PREFIX": settings.k2_prefix, **_SETTINGS, **behind}
        world = World(lake, tiers, catalog, store, environment, random.Random(seed))
        opened.callback(world.end)
        yield world
