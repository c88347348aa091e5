"""Playback as the clients of both venues see it."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exchange_sim.recordings import load
from k2_shared.core.errors import ConfigError

Simulate = Callable[..., Awaitable[Any]]
Cut = Callable[[Mapping[str, int]], Path]
SIZES = {"binance_btcusdt": 500, "binance_ethusdt": 300, "kraken_xbtusdt": 200}
BOTH = "/stream?streams=btcusdt@trade/ethusdt@trade"
FAST: dict[str, Any] = {"speed": 1e6}
DEADLINE_S = 90


def logged(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_every_recorded_trade_arrives_as_recorded(simulate: Simulate, recordings_folder: Path) -> None:
    """Both venues deliver their whole recordings, Binance's frames byte for byte, at full speed."""
    recordings = load(recordings_folder)
    sim = await simulate(recordings=recordings_folder, **FAST)
    names = {venue: [each for each in recordings if each.instrument.venue == venue] for venue in ("KRAKEN", "BINANCE")}
    kraken = await sim.kraken(*[each.instrument.symbol for each in names["KRAKEN"]])
    streams = "/".join(f"{each.instrument.native.lower()}@trade" for each in names["BINANCE"])
    binance = await sim.socket(f"/stream?streams={streams}")
    frames = await sim.texts(binance, sum(len(each.trades) for each in names["BINANCE"]))
    assert Counter(frames) == Counter(trade.text for each in names["BINANCE"] for trade in each.trades)
    rows = [(each.instrument.symbol, trade) for each in names["KRAKEN"] for trade in each.trades]
    found = await sim.updates(kraken, len(rows))
    assert sorted((entry["symbol"], entry["trade_id"], entry["price"], entry["qty"]) for entry in found) == sorted(
        (symbol, trade.trade_id, trade.price, trade.qty) for symbol, trade in rows
    )
    assert (await sim.finished())["finished"]


async def test_playback_waits_for_every_symbol_of_every_venue(simulate: Simulate, cut: Cut) -> None:
    """Nothing is sent before the last recorded symbol of the last venue is subscribed."""
    sim = await simulate(recordings=cut(SIZES), **FAST)
    await sim.kraken("BTC/USDT")
    binance = await sim.socket("/stream?streams=btcusdt@trade")
    status = await sim.status(lambda status: status["venues"]["BINANCE"]["subscribed"] == ["BTC/USDT"])
    assert status["venues"]["BINANCE"]["waiting_for"] == ["ETH/USDT"]
    assert (status["started"], status["venues"]["KRAKEN"]["frames_played"]) == (False, 0)
    await binance.send_json({"method": "SUBSCRIBE", "params": ["ethusdt@trade"], "id": 1})
    assert (await binance.receive_json(timeout=DEADLINE_S)) == {"result": None, "id": 1}
    done = await sim.finished()
    assert done["venues"]["BINANCE"] == {
        "subscribed": ["BTC/USDT", "ETH/USDT"],
        "waiting_for": [],
        "frames_total": 800,
        "frames_played": 800,
        "finished": True,
    }


async def test_venue_that_is_not_expected_takes_no_part(simulate: Simulate, cut: Cut) -> None:
    """With one venue expected, playback neither waits for the other nor plays it."""
    sim = await simulate(recordings=cut(SIZES), expect="kraken", **FAST)
    kraken = await sim.kraken("BTC/USDT")
    assert len(await sim.updates(kraken, 200)) == 200
    assert set((await sim.finished())["venues"]) == {"KRAKEN"}


async def test_expected_venue_without_recordings_is_refused(simulate: Simulate, cut: Cut) -> None:
    """A playback of nothing would prove nothing."""
    with pytest.raises(ConfigError, match="no recording of BINANCE"):
        await simulate(recordings=cut({"kraken_xbtusdt": 5}), expect="binance")


async def test_every_socket_gets_every_frame_and_a_log_line(simulate: Simulate, cut: Cut, tmp_path: Path) -> None:
    """Two sockets of one symbol get the same frames; the log has a line for each, in frames of their own."""
    log = tmp_path / "log.jsonl"
    sim = await simulate(recordings=cut({"binance_btcusdt": 300, "kraken_xbtusdt": 50}), log=log, **FAST)
    first, second = [await sim.socket("/stream?streams=btcusdt@trade") for _ in range(2)]
    await sim.kraken("BTC/USDT")
    assert await sim.texts(first, 300) == await sim.texts(second, 300)
    await sim.finished()
    lines = [line for line in logged(log) if line["venue"] == "BINANCE"]
    assert set(Counter(line["trade_id"] for line in lines).values()) == {2}
    assert len({line["frame"] for line in lines}) == 600
    assert set(Counter(line["connection"] for line in lines).values()) == {300}


async def test_log_tells_what_was_delivered(simulate: Simulate, cut: Cut, tmp_path: Path) -> None:
    """With faults, the ids and kinds of the log are those of the frames that came, in their order."""
    log = tmp_path / "log.jsonl"
    rates = {"duplicates": 0.1, "invalid": 0.1, "delay": 0.1, "reorder": 0.1}
    sim = await simulate(recordings=cut(SIZES), log=log, **FAST, **rates)
    await sim.kraken("BTC/USDT")
    binance = await sim.socket(BOTH)
    total = (await sim.finished())["venues"]["BINANCE"]["frames_total"]
    lines = [line for line in logged(log) if line["venue"] == "BINANCE"]
    frames = [json.loads(text)["data"] for text in await sim.texts(binance, total)]
    assert [line["trade_id"] for line in lines] == [frame["t"] for frame in frames]
    kinds = Counter(line["kind"] for line in lines)
    assert kinds["original"] == 800
    assert all(40 < kinds[kind] < 130 for kind in ("duplicate", "invalid"))
    assert all((line["broken"] is not None) == (line["kind"] == "invalid") for line in lines)
    assert set(lines[0]) == {
        "venue",
        "symbol",
        "trade_id",
        "kind",
        "broken",
        "frame",
        "connection",
        "time_ns",
    }


async def test_playback_waits_while_the_feed_is_away_and_goes_on(simulate: Simulate, cut: Cut, tmp_path: Path) -> None:
    """A venue whose symbol lost its socket waits, the other goes on; afterwards no trade is left out."""
    log = tmp_path / "log.jsonl"
    sim = await simulate(recordings=cut(SIZES), speed="fit", fit_s=1, log=log)
    first = await sim.socket(BOTH)
    await sim.kraken("BTC/USDT")
    await sim.texts(first, 100)
    await first.close()
    status = await sim.status(lambda status: status["venues"]["KRAKEN"]["finished"])
    assert status["venues"]["BINANCE"]["waiting_for"] == ["BTC/USDT", "ETH/USDT"]
    assert not status["venues"]["BINANCE"]["finished"]
    second = await sim.socket(BOTH)
    await sim.texts(second, 800 - status["venues"]["BINANCE"]["frames_played"])
    await sim.finished()
    sent = [line for line in logged(log) if line["venue"] == "BINANCE"]
    assert len({(line["symbol"], line["trade_id"]) for line in sent}) == len(sent) == 800


async def test_snapshot_is_the_latest_fifty_trades(simulate: Simulate, cut: Cut, tmp_path: Path) -> None:
    """Who subscribes with a snapshot gets the last 50 played trades after the ack, and the log says so."""
    log = tmp_path / "log.jsonl"
    folder = cut({"kraken_xbtusdt": 200})
    sim = await simulate(recordings=folder, expect="kraken", log=log, **FAST)
    await sim.kraken("BTC/USDT")
    await sim.finished()
    late = await sim.kraken("BTC/USDT", snapshot=True)
    snapshot = await late.receive_json(timeout=DEADLINE_S)
    assert snapshot["type"] == "snapshot"
    (recording,) = load(folder)
    assert [entry["trade_id"] for entry in snapshot["data"]] == [each.trade_id for each in recording.trades[-50:]]


async def test_nothing_falls_between_snapshot_and_updates(simulate: Simulate, cut: Cut) -> None:
    """A socket that joins in the middle of a burst gets every trade from its snapshot's first on."""
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 600}), expect="kraken", speed="fit", fit_s=1)
    early = await sim.kraken("BTC/USDT")
    await sim.updates(early, 100)
    late = await sim.kraken("BTC/USDT", snapshot=True)
    snapshot = await late.receive_json(timeout=DEADLINE_S)
    ids = [entry["trade_id"] for entry in snapshot["data"]]
    last = 10218807
    ids += [entry["trade_id"] for entry in await sim.updates(late, last - ids[-1])]
    assert ids == list(range(ids[0], last + 1))


async def test_rest_shows_what_was_played_alone(simulate: Simulate, cut: Cut) -> None:
    """Before playback REST knows no trade, afterwards all of them."""
    sim = await simulate(recordings=cut(SIZES), **FAST)
    assert await sim.get("/api/v3/trades", symbol="BTCUSDT") == []
    await sim.kraken("BTC/USDT")
    await sim.socket(BOTH)
    await sim.finished()
    assert len(await sim.get("/api/v3/trades", symbol="BTCUSDT", limit="1000")) == 500
    assert len((await sim.get("/0/public/Trades", pair="XBTUSDT"))["result"]["XBTUSDT"]) == 200


async def test_rest_all_shows_the_whole_recording_but_no_snapshot_does(simulate: Simulate, cut: Cut) -> None:
    """With rest_all REST knows every trade from the start; sockets still tell what was played."""
    sim = await simulate(recordings=cut(SIZES), rest_all=True)
    assert len(await sim.get("/api/v3/trades", symbol="ETHUSDT", limit="1000")) == 300
    early = await sim.kraken("BTC/USDT", snapshot=True)
    assert (await early.receive_json(timeout=DEADLINE_S))["data"] == []


async def test_as_live_never_ends_and_ids_go_on(simulate: Simulate, cut: Cut) -> None:
    """Lap after lap the ids go on without a hole, and REST tells the same trades as the socket."""
    folder = cut({"binance_btcusdt": 40, "kraken_xbtusdt": 40})
    sim = await simulate(recordings=folder, as_live=True, speed="fit", fit_s=0.05)
    kraken = await sim.kraken("BTC/USDT")
    binance = await sim.socket("/stream?streams=btcusdt@trade")
    frames = [json.loads(text)["data"] for text in await sim.texts(binance, 300)]
    assert all(after["t"] == before["t"] + 1 for before, after in pairwise(frames))
    ids = [entry["trade_id"] for entry in await sim.updates(kraken, 300)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    query = {"symbol": "BTCUSDT", "fromId": str(frames[0]["t"]), "limit": "300"}
    rows = await sim.get("/api/v3/historicalTrades", **query)
    assert [(row["id"], row["price"], row["time"]) for row in rows] == [
        (frame["t"], frame["p"], frame["T"]) for frame in frames
    ]
    status = await sim.get("/sim/status")
    assert (status["finished"], status["venues"]["BINANCE"]["frames_total"]) == (False, None)
