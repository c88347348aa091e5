"""``k2 candles rebuild`` on what the real sink wrote."""

import asyncio
import re

import pytest
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


async def filled(feeder: Feeder, tables: WarmTables, agents: Agents, count: int) -> None:
    """Have a sink fill the tables, and stop it."""
    sink = agents.start("warm_sink", **FAST).wait_ready()
    await feeder.everything(count)
    await feeder.arrive(tables)
    assert sink.stop() == 0


async def spoilt(feeder: Feeder, tables: WarmTables) -> int:
    """Have candles of trades whose close is wrong; returns how many."""
    await feeder.everything(20)
    await feeder.arrive(tables)
    tables.command("ALTER TABLE candles UPDATE close = 7.5 WHERE 1 SETTINGS mutations_sync = 1")
    ((count,),) = tables.ask("SELECT count() FROM candles FINAL")
    return int(count)


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
async def test_a_sink_that_read_wrong_candles_goes_on_from_those_that_were_made_again(
    feeder: Feeder, agents: Agents, tables: WarmTables, names: Names
) -> None:
    """Of one symbol, then of the rest: it is told that what it remembers is not what stands."""
    await filled(feeder, tables, agents, 20)
    tables.command("ALTER TABLE candles UPDATE low = 0.00000001 WHERE 1 SETTINGS mutations_sync = 1")
    sink = agents.start("warm_sink", **FAST).wait_ready()
    offsets = tables.ask("SELECT sum(last_offset) FROM candles FINAL")
    await feeder.everything(1)
    await eventually(
        lambda: tables.ask("SELECT sum(last_offset) FROM candles FINAL") != offsets, "wrong ones folded on"
    )
    some = await asyncio.to_thread(k2, names, "--symbol=KRAKEN:BTC/USDT")
    assert some.exit_code == 0, some.output
    assert re.match(r"1 of \d: KRAKEN:BTC/USDT of ", some.stderr)
    assert re.search(r"^[6-9] candles were wrong in . days of symbols, and were made again$", some.stderr, re.MULTILINE)
    assert tables.ask("SELECT uniqExact(symbol) FROM candles FINAL WHERE low = 0.00000001") == [(2,)]
    rest = await asyncio.to_thread(k2, names, "--from=2d")
    assert rest.exit_code == 0, rest.output
    assert re.search(
        r"^1[2-9] candles were wrong in . days of symbols, and were made again$", rest.stderr, re.MULTILINE
    )
    await feeder.everything(3)
    await feeder.arrive(tables)
    assert sink.stop() == 0


async def test_without_a_sink_candles_are_made_again_from_trades(
    feeder: Feeder, agents: Agents, tables: WarmTables, names: Names
) -> None:
    """One that lacks, one of a window without trades, one that says that it knows more; a dry run counts them."""
    await filled(feeder, tables, agents, 5)
    ((count,),) = tables.ask("SELECT count() FROM candles FINAL WHERE timeframe IN ('1m', '5m', '15m')")
    for timeframe, change in (("1m", "last_offset + 9 AS last_offset"), ("5m", "window_start + 600 AS window_start")):
        tables.command(
            f"INSERT INTO candles SELECT * REPLACE ({change}) FROM candles FINAL WHERE timeframe = '{timeframe}'"  # noqa: S608
        )
    tables.command("ALTER TABLE candles DELETE WHERE timeframe = '15m' SETTINGS mutations_sync = 1")
    dry = await asyncio.to_thread(k2, names, "--from=2d", "--dry-run")
    said = re.search(
        r"^(\d+) candles were wrong in . days of symbols and were not touched \(--dry-run\)$", dry.stderr, re.MULTILINE
    )
    assert said, dry.stderr
    assert int(said[1]) == count
    done = await asyncio.to_thread(k2, names, "--from=2d")
    assert (done.exit_code, f"{count} candles were wrong in" in done.stderr) == (0, True), done.output
    await feeder.arrive(tables)
    again = await asyncio.to_thread(k2, names, "--symbol=BTC/USDT")
    assert "\n0 candles were wrong in" in again.stderr


@pytest.mark.long
async def test_candles_that_nobody_can_judge_are_left(
    feeder: Feeder, agents: Agents, tables: WarmTables, names: Names
) -> None:
    """Where none stand, where trades were lost, where trades may have expired, and of a symbol that is not there."""
    await filled(feeder, tables, agents, 5)
    unknown = await asyncio.to_thread(k2, names, "--symbol=KRAKEN:NOT/USD")
    assert (unknown.exit_code, "neither trades nor candles of KRAKEN:NOT/USD" in unknown.stderr) == (2, True)
    tables.command("ALTER TABLE gold_trades DELETE WHERE kafka_offset > 2 SETTINGS mutations_sync = 1")
    lost = await asyncio.to_thread(k2, names, "--from=2d")
    assert (lost.exit_code, "it has lost trades" in " ".join(lost.stderr.split())) == (4, True), lost.output
    tables.command("TRUNCATE TABLE candles")
    none = await asyncio.to_thread(k2, names, "--from=2d")
    assert (none.exit_code, "of gold is stored" in " ".join(none.stderr.split())) == (4, True), none.output
    tables.command(
        "ALTER TABLE sink_state UPDATE began_at = now() - INTERVAL 90 DAY WHERE 1 SETTINGS mutations_sync = 1"
    )
    old = await asyncio.to_thread(k2, names, "--from=60d")
    assert (old.exit_code, "has every trade since" in " ".join(old.stderr.split())) == (2, True), old.output
