"""A warm tier of a benchmark's own: topics, tables, a sink, and the server that has the tables, watched."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.harness import PATIENCE_S, POLL_S, Bench, Watch, own_topics

from k2_local.processes import listener
from k2_shared.core.settings import ClickHouseReaderSettings
from k2_support.children import Child
from k2_support.waiting import came_true
from k2_support.warm_tables import WarmTables, warm_tables

TABLE = "gold_trades"
READY_S = 120.0
_MERGES = "SELECT count() FROM system.merges WHERE database = {database:String}"


@dataclass(frozen=True)
class WarmPlace:
    """Where a benchmark writes and reads; ``server`` is None where it is on another machine."""

    bench: Bench
    settings: ClickHouseReaderSettings
    tables: WarmTables
    server: Watch | None
    folder: Path

    def agent(self, module: str) -> Child:
        """An agent of this place, not yet started."""
        return Child.agent(module, {"K2_PREFIX": self.bench.names.prefix}, self.folder)

    def server_s(self) -> float | None:
        """CPU seconds of the server since it is watched."""
        return self.server.look() if self.server else None

    async def merged(self) -> None:
        """Wait until the server has merged what it began to merge, or for some minutes."""
        await came_true(lambda: self.tables.ask(_MERGES, database=self.tables.database) == [(0,)], PATIENCE_S, POLL_S)


@asynccontextmanager
async def warm_place() -> AsyncIterator[WarmPlace]:
    """Topics and tables for the length of the block."""
    settings = ClickHouseReaderSettings.load(clickhouse_timeout_s=PATIENCE_S)
    pid = listener(urlsplit(settings.clickhouse_url).port or 0)
    async with own_topics() as bench:
        with warm_tables(settings, bench.names) as tables, tempfile.TemporaryDirectory() as folder:
            yield WarmPlace(bench, settings, tables, Watch(pid) if pid else None, Path(folder))


async def started(*agents: Child) -> None:
    """Start agents and wait until they are ready."""
    for agent in agents:
        agent.start()
    for agent in agents:
        await asyncio.to_thread(agent.wait_ready, READY_S)
