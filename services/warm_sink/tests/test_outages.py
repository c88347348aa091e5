"""ClickHouse away, overloaded, or silent after it has done what it was asked: the sink waits, says so, and goes on."""

from collections.abc import Iterator

import pytest

from k2_shared.core.settings import ClickHouseSettings
from k2_support.children import Child
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.plugin import Agents
from k2_support.waiting import eventually
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables

FAST = {"WARM_INTERVAL_S": "0.1", "WARM_MAX_ROWS": "7"}


@pytest.fixture
def server() -> Iterator[HttpProxy]:
    """What stands between the sink and the server."""
    with HttpProxy(ClickHouseSettings.load().clickhouse_url).listening() as proxy:
        yield proxy


def start(agents: Agents, server: HttpProxy, **settings: str) -> Child:
    return agents.start("warm_sink", CLICKHOUSE_URL=server.url, **{**FAST, **settings}).wait_ready()


async def says(child: Child, said: str) -> None:
    """The sink is not ready, and says why."""
    await eventually(lambda: any(said in each for each in child.missing()), said, 60)


async def test_a_server_that_is_away_is_waited_for(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """Not ready, with the reason; nothing is lost, and nothing has to be started anew."""
    child = start(agents, server)
    with server.cut() as away:
        await feeder.everything(10)
        await says(child, "gold_trades: attempt")
        await says(child, "check CLICKHOUSE_URL, and whether it runs")
        await eventually(lambda: away.done > 20, "attempts", 60)
    await feeder.arrive(tables)
    await eventually(lambda: not child.missing(), "its readiness", 60)
    assert child.stop() == 0


async def test_an_insert_whose_answer_is_lost_is_made_again(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """It stands in the table already, and still once."""
    child = start(agents, server)
    with server.cut(lambda method, path: method == "POST" and "INSERT" in path.upper(), after=True) as lost:
        await feeder.everything(10)
        await eventually(lambda: lost.done > 10, "lost answers", 60)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_request_that_is_too_large_for_what_stands_before_the_server_goes_by_rows(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """It answers 413 and no code of ClickHouse; the row that is refused alone is named."""
    child = start(agents, server)
    with server.refusing(413, lambda method, path: method == "POST" and "INSERT" in path.upper()):
        await feeder.everything(10)
        await says(child, "kafka_offset 0, ")
        await says(child, "cannot do as much at once")
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_sink_that_is_killed_between_trades_and_candles_leaves_neither_out(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """Again and again, and where the candles' insert had landed and nobody heard of it."""
    for after in (False, True, False):
        child = start(agents, server)
        with server.cut(_inserts_candles, after=after) as cut:
            await feeder.trades(20)
            await eventually(lambda cut=cut: cut.done > 0, "an insert of candles", 60)  # type: ignore[misc]
            child.kill()
    child = start(agents, server)
    await feeder.arrive(tables)
    assert child.stop() == 0


def _inserts_candles(method: str, path: str) -> bool:
    return method == "POST" and "candles" in path and "INSERT" in path.upper()


@pytest.mark.long
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "answer lost"])
async def test_a_table_that_is_emptied_while_rows_go_into_it_is_filled_again(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy, answered: bool
) -> None:
    """Between the sink's look at it and the insert, whose rows then stand alone and say nothing of those before."""
    child = start(agents, server)
    await feeder.everything(10)
    await feeder.arrive(tables)
    emptied: list[int] = []

    def empty(body: bytes) -> bytes:
        emptied.append(tables.count("raw_trades"))
        tables.command("TRUNCATE TABLE raw_trades")
        return body

    rule = ProxyRule(_inserts_frames, None, after=True, change=empty, answered=answered, times=1)
    with server.ruled(rule):
        await feeder.trades(3)
        await eventually(lambda: len(emptied) == 1 and tables.count("raw_trades") > 0, "rows in the emptied table")
    await feeder.arrive(tables)
    assert emptied[0] > 0
    assert child.stop() == 0


def _inserts_frames(method: str, path: str) -> bool:
    return method == "POST" and "raw_trades" in path and "INSERT" in path.upper()


@pytest.mark.long
async def test_a_start_without_a_server_waits(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """As later on."""
    await feeder.everything(3)
    with server.cut():
        child = agents.start("warm_sink", CLICKHOUSE_URL=server.url, **FAST)
        await says(child, "raw_trades: attempt")
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_attempts_have_an_end(feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy) -> None:
    """The exit is 4, so that the supervisor starts it again; the line says which table and why."""
    child = start(agents, server, WARM_INSERT_ATTEMPTS="3", WARM_OUTLIVE_S="1")
    with server.refusing(503, lambda method, _path: method == "POST"):
        await feeder.everything(1)
        await eventually(lambda: child.exit_code is not None, "the end", 90)
    assert child.exit_code == 4
    assert "could not be written in 3 attempts" in child.log.read_text()
    child = start(agents, server)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_a_stop_while_the_server_is_away_is_in_order(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """Attempts that fail do not hold it up; the next start has every row."""
    child = start(agents, server)
    with server.cut():
        await feeder.everything(3)
        await says(child, "gold_trades: attempt")
        assert child.stop() == 0
    child = start(agents, server)
    await feeder.arrive(tables)
    assert child.stop() == 0


@pytest.mark.long
async def test_too_many_parts_are_waited_for(
    feeder: Feeder, agents: Agents, tables: WarmTables, server: HttpProxy
) -> None:
    """Until merges have made them few, or more are allowed."""
    tables.command("ALTER TABLE gold_trades MODIFY SETTING parts_to_delay_insert = 2, parts_to_throw_insert = 3")
    tables.command("SYSTEM STOP MERGES gold_trades")
    child = start(agents, server)
    await feeder.everything(20)
    await says(child, "Too many parts")
    tables.command("ALTER TABLE gold_trades RESET SETTING parts_to_delay_insert, parts_to_throw_insert")
    tables.command("SYSTEM START MERGES gold_trades")
    await feeder.arrive(tables)
    assert child.stop() == 0
