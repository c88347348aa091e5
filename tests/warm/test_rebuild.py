"""``k2 candles rebuild`` on what the real sink wrote."""

import asyncio

from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.kafka.topics import Names
from k2_support.plugin import Agents
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

FAST = {"WARM_INTERVAL_S": "0.1", "WARM_OUTLIVE_S": "1"}
WRONG = "SELECT count() FROM candles WHERE close = 7.5"


def k2(names: Names, *words: str) -> Result:
    """Run ``k2 candles rebuild``."""
    return CliRunner().invoke(app, ["candles", "rebuild", *words], env={"K2_PREFIX": names.prefix})


async def spoilt(feeder: Feeder, tables: WarmTables) -> int:
    """Have candles of trades whose close is wrong; returns how many."""
    await feeder.everything(20)
    await feeder.arrive(tables)
    tables.command("ALTER TABLE candles UPDATE close = 7.5 WHERE 1 SETTINGS mutations_sync = 1")
    ((count,),) = tables.ask("SELECT count() FROM candles FINAL")
    return int(count)


async def test_under_a_sink_that_runs_candles_are_made_with_the_next_trade(
    feeder: Feeder, agents: Agents, tables: WarmTables, names: Names
) -> None:
    """It ends when every trade is folded that there was."""
    sink = agents.start("warm_sink", **FAST).wait_ready()
    count = await spoilt(feeder, tables)
    rebuild = asyncio.create_task(asyncio.to_thread(k2, names, "--yes", "--wait-s=120"))
    await eventually(lambda: tables.ask(WRONG) == [(0,)], "an empty table")
    await feeder.everything(1)
    done = await rebuild
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert done.stderr.startswith(f"{count} candles are deleted, and made again from gold\n")
    assert done.stderr.endswith(" candles are made\n")
    await feeder.arrive(tables)
    assert sink.stop() == 0


async def test_without_a_sink_the_next_start_makes_them(
    feeder: Feeder, agents: Agents, tables: WarmTables, names: Names
) -> None:
    """It says so, with exit 4; a dry run and one that cannot ask delete nothing."""
    sink = agents.start("warm_sink", **FAST).wait_ready()
    count = await spoilt(feeder, tables)
    assert sink.stop() == 0
    assert (await asyncio.to_thread(k2, names, "--dry-run")).stderr.endswith("nothing was deleted (--dry-run)\n")
    assert "cannot ask here: pass --yes" in (await asyncio.to_thread(k2, names)).stderr
    assert tables.ask("SELECT count() FROM candles FINAL") == [(count,)]
    done = await asyncio.to_thread(k2, names, "--yes", "--wait-s=0")
    assert done.exit_code == 4
    assert "candles are made of 0 of " in done.stderr
    assert "warm_sink makes the rest when it runs" in done.stderr
    agents.start("warm_sink", **FAST).wait_ready()
    await feeder.arrive(tables)
