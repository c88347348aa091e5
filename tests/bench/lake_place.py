"""A lake of a benchmark's own: topics, tables, and the agents that fill them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from tests.bench.harness import Bench, own_topics

from k2_shared.core import contracts
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.children import Child
from k2_support.lake_tables import lake_tables

READY_S = 120.0


@dataclass(frozen=True)
class LakePlace:
    """Where a benchmark writes and reads."""

    bench: Bench
    catalog: Catalog
    folder: Path

    async def sink(self, **settings: str) -> Child:
        """A sink of this place, which is ready."""
        given = {"K2_PREFIX": self.bench.names.prefix, **settings}
        child = Child.agent("iceberg_sink", given, self.folder).start()
        await asyncio.to_thread(child.wait_ready, READY_S)
        return child

    def table(self, name: str) -> Table:
        """A table of the sink's, as it stands now."""
        return self.catalog.load_table((iceberg.namespace(self.bench.names), name))


@asynccontextmanager
async def lake_place() -> AsyncIterator[LakePlace]:
    """Topics and tables for the length of the block."""
    async with own_topics() as bench:
        with lake_tables(bench.names) as catalog, tempfile.TemporaryDirectory() as folder:
            yield LakePlace(bench, catalog, Path(folder))


@asynccontextmanager
async def plain_table(place: LakePlace, name: str) -> AsyncIterator[Table]:
    """A table of the same contract that no sink fills."""
    names = Names(f"plain-{place.bench.names.prefix}")
    made = iceberg.create(place.catalog, names, contracts.tables()[name])
    try:
        yield made
    finally:
        place.catalog.drop_table(made.name())
