"""SeaweedFS, which is catalog and store, dies under a sink and comes back: the sink goes on by itself."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.own_stack import own_stack

from k2_local import Stack
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_support.children import Child
from k2_support.records import trade, value
from k2_support.topics import lasting_topics, write
from k2_support.waiting import eventually

pytestmark = pytest.mark.long
TABLE = "gold_crypto_trades"


async def send(settings: RunSettings, names: Names, first: int, schema_id: int) -> None:
    """Ten trades to gold, numbered from ``first``."""
    made = [trade(trade_id=first + number) for number in range(10)]
    await write(settings, names, [Outgoing(GOLD, t.key, value(t, schema_id), 1, ()) for t in made])


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Stack, RunSettings]]:
    """A stack of the test's own, which it may kill."""
    with own_stack(tmp_path / "stack", Console(stderr=True)) as found:
        yield found


async def test_a_sink_outlives_a_kill_of_catalog_and_store(
    opened: tuple[Stack, RunSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of commits and away for a while: the same process has every trade in the table once."""
    stack, settings = opened
    for name, given in stack.env().items():
        monkeypatch.setenv(name, given)
    names = Names(settings.k2_prefix)
    catalog = iceberg.connect(LakeSettings.load())
    for contract in contracts.tables().values():
        iceberg.create(catalog, names, contract)

    def ids() -> list[int]:
        found = catalog.load_table((iceberg.namespace(names), TABLE)).scan(selected_fields=("trade_id",)).to_arrow()
        return sorted(map(int, found["trade_id"].to_pylist()))

    async with lasting_topics(settings) as schema_ids:
        schema_id = next(iter(schema_ids.values()))
        limits = {"K2_PREFIX": settings.k2_prefix, "SINK_INTERVAL_S": "0.2"}
        sink = Child.agent("iceberg_sink", limits, tmp_path).start().wait_ready()
        try:
            await send(settings, names, 1, schema_id)
            await eventually(lambda: ids() == list(range(1, 11)), "the first rows", 60)
            (seaweed,) = [part.pid for part in stack.status() if part.part == "seaweed"]
            assert seaweed
            os.kill(seaweed, signal.SIGKILL)
            await send(settings, names, 11, schema_id)
            await eventually(lambda: any("attempt" in said for said in sink.missing()), "the outage", 60)
            stack.up()
            await eventually(lambda: ids() == list(range(1, 21)), "the rows of the outage", 120)
            await eventually(lambda: not sink.missing(), "readiness", 60)
            assert sink.stop() == 0
        finally:
            sink.kill()
