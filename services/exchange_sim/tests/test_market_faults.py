"""Faults of what is traded and of what REST has, as clients see them."""

import asyncio
import json
from itertools import pairwise
from typing import Any

from exchange_sim.recordings import PACKAGED, load

DEADLINE_S = 90
KRAKEN = {"venue": "KRAKEN", "symbol": "BTC/USDT"}
BINANCE = {"venue": "BINANCE", "symbol": "BTC/USDT"}
STREAM = "/stream?streams=btcusdt@trade"


def spread(ranges: list[list[int]]) -> list[int]:
    return [trade_id for first, last in ranges for trade_id in range(first, last + 1)]


async def until_id(running: Any, socket: Any, last: int) -> list[int]:
    """The ids of Kraken's updates, until ``last`` or a later one has come."""
    ids: list[int] = []
    while not ids or ids[-1] < last:
        ids += [entry["trade_id"] for entry in await running.updates(socket, 1)]
    return ids


async def rest_ids(running: Any, first: int, count: int) -> list[int]:
    rows = await running.get("/api/v3/historicalTrades", symbol="BTCUSDT", fromId=str(first), limit=str(count))
    return [row["id"] for row in rows]


async def frames_until(running: Any, socket: Any, last: int) -> list[Any]:
    """Binance's trades, until ``last`` or a later one has come."""
    found: list[Any] = []
    while not found or found[-1]["t"] < last:
        found += [json.loads(text)["data"] for text in await running.texts(socket, 1)]
    return found


async def test_dropped_trades_are_in_rest_alone(running: Any) -> None:
    """drop_ids: no socket carries the trades, not even in a snapshot; REST has them and they are assigned."""
    first, second = await running.kraken("BTC/USDT"), await running.kraken("BTC/USDT")
    dropped = spread((await running.fault("drop_ids", count=30, **KRAKEN))["ids"])
    for socket in (first, second):
        ids = await until_id(running, socket, dropped[-1] + 1)
        assert not set(dropped) & set(ids)
        assert sorted({*ids, *dropped}) == list(range(min(*ids, *dropped), max(ids) + 1))
    assert await running.struck("drop_ids", 30) == 30
    late = await running.kraken("BTC/USDT", snapshot=True)
    snapshot = await late.receive_json()
    assert not set(dropped) & {entry["trade_id"] for entry in snapshot["data"]}
    rows = (await running.get("/0/public/Trades", pair="XBTUSDT", since="0"))["result"]["XBTUSDT"]
    assert set(dropped) <= {row[6] for row in rows}
    assert spread(await running.get("/sim/assigned", unheard="KRAKEN:BTC/USDT")) == dropped


async def test_named_ids_reach_no_socket_though_they_were_named_before_playback(simulate: Any) -> None:
    """drop_ids of ids: which trades are missing depends on no moment, and REST has them."""
    running = await simulate(recordings=PACKAGED, speed="fit", fit_s=1.0, expect="kraken")
    (recorded,) = [each for each in load(PACKAGED) if each.instrument.venue == "KRAKEN"]
    ids = [trade.trade_id for trade in recorded.trades]
    named = [ids[20], ids[21], ids[40]]
    assert spread((await running.fault("drop_ids", ids=named, **KRAKEN))["ids"]) == named
    heard = await until_id(running, await running.kraken("BTC/USDT"), ids[41])
    assert sorted({*heard, *named}) == ids[: len(heard) + len(named)]
    assert not set(named) & set(heard)
    assert await running.struck("drop_ids", len(named)) == len(named)
    rows = (await running.get("/0/public/Trades", pair="XBTUSDT", since="0"))["result"]["XBTUSDT"]
    assert set(named) <= {row[6] for row in rows}


async def test_trades_dropped_for_one_socket_reach_the_other(running: Any) -> None:
    """drop_ids for one: of two sockets one misses the trades."""
    sockets = [await running.socket(STREAM) for _ in range(2)]
    await running.status(lambda status: "BTC/USDT" in status["venues"]["BINANCE"]["subscribed"])
    dropped = spread((await running.fault("drop_ids", count=20, value="one", **BINANCE))["ids"])
    got = [{frame["t"] for frame in await frames_until(running, socket, dropped[-1] + 1)} for socket in sockets]
    assert sorted(len(ids & set(dropped)) for ids in got) == [0, 20]
    assert await running.struck("drop_ids", 20) == 20


async def test_every_second_trade_can_be_dropped(running: Any) -> None:
    """drop_ids alternately: a hole beside a hole, of which REST has every trade."""
    socket = await running.kraken("BTC/USDT")
    ranges = (await running.fault("drop_ids", count=15, value="alternate", **KRAKEN))["ids"]
    dropped = spread(ranges)
    assert len(ranges) == len(dropped) == 15
    ids = await until_id(running, socket, dropped[-1] + 1)
    assert not set(dropped) & set(ids)
    assert set(range(dropped[0] + 1, dropped[-1], 2)) <= set(ids)
    rows = (await running.get("/0/public/Trades", pair="XBTUSDT", since="0"))["result"]["XBTUSDT"]
    assert set(dropped) <= {row[6] for row in rows}


async def test_nobody_is_left_out_where_nobody_listens(running: Any) -> None:
    """A fault that finds no socket says so and does not strike."""
    assert await running.fault("drop_ids", value="one", **KRAKEN) == {"connections": 0}
    assert await running.fault("drop_connections", "KRAKEN") == {"connections": []}
    dropped = spread((await running.fault("drop_ids", count=2, **KRAKEN))["ids"])
    await running.exposed("KRAKEN:BTC/USDT", dropped[-1])
    assert (await running.get("/sim/status"))["faults"] == {}


async def test_unfillable_trades_are_nowhere(running: Any) -> None:
    """unfillable: no socket and no REST answer has them, though the venue assigned their ids."""
    socket = await running.socket(STREAM)
    await running.texts(socket, 1)
    gone = spread((await running.fault("unfillable", count=5, **BINANCE))["ids"])
    ids = [frame["t"] for frame in await frames_until(running, socket, gone[-1] + 1)]
    assert not set(gone) & set(ids)
    assert await rest_ids(running, gone[0] - 1, 2) == [gone[0] - 1, gone[-1] + 1]
    assert set(gone) <= set(spread(await running.get("/sim/assigned", ids="BINANCE:BTC/USDT")))
    assert spread(await running.get("/sim/assigned", hidden="BINANCE:BTC/USDT")) == gone
    assert await running.struck("unfillable", 5) >= 5


async def test_rest_lacks_given_trades_for_ever(running: Any) -> None:
    """rest_holes: the socket had the ids that REST never shows again."""
    socket = await running.socket(STREAM)
    ids = [json.loads(text)["data"]["t"] for text in await running.texts(socket, 5)]
    done = await running.fault("rest_holes", ids=[ids[1], ids[3]], **BINANCE)
    assert done == {"ids": [[ids[1], ids[1]], [ids[3], ids[3]]]}
    for _ in range(2):
        assert await rest_ids(running, ids[0], 3) == [ids[0], ids[2], ids[4]]
    coming = spread((await running.fault("rest_holes", count=2, **BINANCE))["ids"])
    await running.exposed("BINANCE:BTC/USDT", coming[-1] + 1)
    assert await rest_ids(running, coming[0], 1) == [coming[-1] + 1]
    recent = spread((await running.fault("rest_holes", count=3, value="recent", **BINANCE))["ids"])
    assert recent[0] not in await rest_ids(running, recent[0], 50)
    assert await running.struck("rest_holes") >= 4


async def test_ids_start_anew_and_times_go_on(running: Any) -> None:
    """id_reset: the next trade is 1; what was before stays, and every assigned id can be asked for."""
    socket = await running.kraken("BTC/USDT")
    await running.updates(socket, 10)
    last = (await running.fault("id_reset", **KRAKEN))["last_id_before"]
    trades = await running.updates(socket, 150)
    ids = [trade["trade_id"] for trade in trades]
    reset = ids.index(1)
    assert ids[reset:] == list(range(1, len(ids) - reset + 1))
    assert not reset or ids[reset - 1] == last
    assert [trade["timestamp"] for trade in trades] == sorted(trade["timestamp"] for trade in trades)
    ranges = await running.get("/sim/assigned", ids="KRAKEN:BTC/USDT")
    assert (len(ranges), ranges[0][1], ranges[1][0]) == (2, last, 1)
    brief = (await running.get("/sim/assigned"))["KRAKEN"]["BTC/USDT"]
    assert (brief["first_id"], brief["holes"], brief["resets"]) == (1, 0, 1)
    assert await running.struck("id_reset") == 1
    page = (await running.get("/0/public/Trades", pair="XBTUSDT", since="0"))["result"]["XBTUSDT"]
    assert {1, last} <= {row[6] for row in page}


async def test_binance_rest_knows_ids_from_before_a_reset(running: Any) -> None:
    """Ids of either run are found by fromId."""
    socket = await running.socket(STREAM)
    await running.texts(socket, 5)
    last = (await running.fault("id_reset", **BINANCE))["last_id_before"]
    await running.struck("id_reset")
    assert await rest_ids(running, last, 3) == [last]
    assert (await rest_ids(running, 1, 1)) == [1]


async def test_exchange_clock_is_wrong_for_a_while(running: Any) -> None:
    """clock_offset: times in frames and REST step by the offset, and REST pages still hold every trade."""
    socket = await running.socket(STREAM)
    first = json.loads((await running.texts(socket, 1))[0])["data"]["t"]
    await running.fault("clock_offset", value=-20, seconds=0.5, **BINANCE)
    frames: list[Any] = []
    steps: list[int] = []
    async with asyncio.timeout(DEADLINE_S):
        while not (steps and min(steps) < -18_000 and max(steps) > 18_000 and len(frames) > 500):
            frames += [json.loads(text)["data"] for text in await running.texts(socket, 50)]
            steps = [after["T"] - before["T"] for before, after in pairwise(frames)]
    rows = await running.get("/api/v3/historicalTrades", symbol="BTCUSDT", fromId=str(first + 1), limit="500")
    assert [(row["id"], row["time"]) for row in rows] == [(frame["t"], frame["T"]) for frame in frames[:500]]
    assert await running.struck("clock_offset") == 1


async def test_kraken_pages_hold_every_trade_when_the_clock_steps_back(running: Any) -> None:
    """Whoever pages by `last` over a step back of the clock gets every id."""
    socket = await running.kraken("BTC/USDT")
    await running.updates(socket, 20)
    await running.fault("clock_offset", value=-30, seconds=60, **KRAKEN)
    await running.updates(socket, 100)
    ids: list[int] = []
    since, last = "", "0"
    while last != since:
        since = last
        answer = (await running.get("/0/public/Trades", pair="XBTUSDT", since=since, count="100"))["result"]
        ids += [row[6] for row in answer["XBTUSDT"] if not ids or row[6] > ids[-1]]
        last = answer["last"]
        if len(ids) > 300:
            break
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert len(ids) > 120


async def test_burst_is_of_one_millisecond(running: Any) -> None:
    """burst: so many trades with ids in sequence, all in one millisecond, in REST too; the ids go on after it."""
    socket = await running.socket(STREAM)
    await running.texts(socket, 1)
    burst = spread((await running.fault("burst", **BINANCE))["ids"])
    frames = await frames_until(running, socket, burst[-1] + 5)
    assert len(burst) == 735
    assert len({frame["T"] for frame in frames if frame["t"] in set(burst)}) == 1
    ids = [frame["t"] for frame in frames]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert await rest_ids(running, burst[0], 740) == list(range(burst[0], burst[0] + 740))
    assert await running.struck("burst") == 1


async def test_quantities_overflow_on_both_sides(running: Any) -> None:
    """overflow: the next trades have a quantity that no decimal(18,8) holds, in frames and rows alike."""
    socket = await running.kraken("BTC/USDT")
    struck = spread((await running.fault("overflow", count=3, **KRAKEN))["ids"])
    trades: list[Any] = []
    while not trades or trades[-1]["trade_id"] <= struck[-1]:
        trades += await running.updates(socket, 1)
    rows = (await running.get("/0/public/Trades", pair="XBTUSDT", since="0"))["result"]["XBTUSDT"]
    big = "46000000000.12"
    assert [trade["trade_id"] for trade in trades if trade["qty"] == big] == struck
    assert [row[6] for row in rows if row[1] == big] == struck
    assert await running.struck("overflow", 3) == 3


async def test_trades_come_again(running: Any) -> None:
    """duplicate_trades: the latest trades are sent once more, byte for byte."""
    socket = await running.socket(STREAM)
    await running.texts(socket, 20)
    again = spread((await running.fault("duplicate_trades", count=10, **BINANCE))["ids"])
    texts: list[str] = []
    while sum(json.loads(text)["data"]["t"] == again[-1] for text in texts) < 1:
        texts += await running.texts(socket, 1)
    texts += await running.texts(socket, 40)
    assert await running.struck("duplicate_trades") == 10
    copies = [text for text in texts if json.loads(text)["data"]["t"] in again]
    assert sorted({json.loads(text)["data"]["t"] for text in copies}) == again
    ids = [json.loads(text)["data"]["t"] for text in texts]
    assert any(after <= before for before, after in pairwise(ids))
