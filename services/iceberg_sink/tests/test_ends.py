"""How the sink ends, as a process: each table by itself, and what is said of it."""

from typing import Any

import pytest

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg
from k2_shared.stages.table_sinks import worst
from k2_support.children import Child
from k2_support.http_proxy import HttpProxy
from k2_support.plugin import Agents
from k2_support.topics import topics_of
from k2_support.waiting import eventually

pytestmark = pytest.mark.topics(*topics_of("iceberg_sink"))


def last_line(child: Child) -> str:
    """What stands last in the output of a process, where stderr goes too: logs are JSON, and this is none."""
    lines = [line for line in child.log.read_text().splitlines() if line.startswith("iceberg_sink: ")]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.long
async def test_a_table_that_gives_up_ends_no_other(feeder: Any, agents: Agents, tables: Any) -> None:
    """The store refuses one table for ever: it is not ready and named, the others go on, and the exit is 4."""
    gold, bronze = "gold_crypto_trades", "bronze_crypto_trades"
    with HttpProxy(LakeSettings.load().s3_endpoint).listening() as store:
        settings = {"SINK_INTERVAL_S": "0.2", "SINK_COMMIT_ATTEMPTS": "2", "SINK_OUTLIVE_S": "15"}
        child = agents.start("iceberg_sink", S3_ENDPOINT=store.url, **settings).wait_ready()
        with store.refusing(403, lambda method, path: method == "PUT" and f"/{gold}/data" in path) as refused:
            await feeder.write(5)
            await eventually(lambda: "table_sink_ended" in child.log.read_text(), "the end of one table", 90)
            assert refused.done
            assert any(said.startswith(f"{gold}: table ") for said in child.missing())
            await feeder.write(5)
            await eventually(lambda: len(tables.column(bronze, "offset")) == 10, "the other's rows", 60)
            assert child.exit_code is None
            await eventually(lambda: child.exit_code is not None, "the exit", 60)
    assert child.exit_code == 4
    said = last_line(child)
    assert f"{gold} could not be committed in 2 attempts, the last failed while writing rows" in said
    assert "check the object store at http://" in said
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready()
    await eventually(lambda: tables.column(gold, "trade_id") == sorted(feeder.ids), "every row", 60)
    assert child.stop() == 0


async def test_a_table_that_is_dropped_ends_no_other(feeder: Any, agents: Agents, tables: Any) -> None:
    """The others go on, and the exit is 3 with a line that names the table."""
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2", SINK_OUTLIVE_S="10").wait_ready()
    tables.catalog.drop_table((iceberg.namespace(tables.names), "gold_crypto_trades"))
    await feeder.write(5)
    await eventually(lambda: child.exit_code is not None, "the exit", 90)
    assert child.exit_code == 3
    assert "gold_crypto_trades was dropped under a running sink" in last_line(child)
    assert len(tables.column("bronze_crypto_trades", "offset")) == 5


@pytest.mark.long
async def test_a_stop_while_the_store_is_away_is_in_order(feeder: Any, agents: Agents, tables: Any) -> None:
    """Attempts that fail do not hold it up; the next start has every row."""
    with HttpProxy(LakeSettings.load().s3_endpoint).listening() as store:
        child = agents.start("iceberg_sink", S3_ENDPOINT=store.url, SINK_INTERVAL_S="0.2").wait_ready()
        with store.cut() as cut:
            await feeder.write(5)
            await eventually(lambda: cut.done and any("attempt" in said for said in child.missing()), "a failure", 60)
            assert child.stop() == 0
    child = agents.start("iceberg_sink", SINK_INTERVAL_S="0.2").wait_ready()
    await eventually(lambda: tables.column("gold_crypto_trades", "trade_id") == sorted(feeder.ids), "every row", 60)
    assert child.stop() == 0


def test_one_error_is_said_for_all() -> None:
    """A halt comes before what the next start may mend."""
    away, halt = Unavailable("a is away"), Halt("b was dropped")
    assert type(worst([away])) is Unavailable
    assert type(worst([away, halt])) is Halt
    assert str(worst([away, halt])) == "a is away; b was dropped"
