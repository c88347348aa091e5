"""Faults and limits of REST, as clients see them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange_sim.conditions import Conditions
from exchange_sim.rest_gate import KRAKEN_CALLS, WEIGHT_LIMIT, BinanceGate, KrakenGate
from k2_support.waiting import eventually

Simulate = Callable[..., Awaitable[Any]]
Cut = Callable[[Mapping[str, int]], Path]


async def ask(running: Any, path: str, **query: str) -> tuple[int, Any, Any]:
    async with running.session.get(running.url + path, params=query) as answer:
        return answer.status, answer.headers, await answer.json()


async def test_binance_limits_and_then_bans(running: Any) -> None:
    """rate_limit: 429, then 418, each with Retry-After, then it is over."""
    await running.fault("rate_limit", "BINANCE", count=3, value=2)
    answers = [await ask(running, "/api/v3/ping") for _ in range(4)]
    assert [status for status, _, _ in answers] == [429, 418, 418, 200]
    assert [headers.get("Retry-After") for _, headers, _ in answers] == ["2", "2", "2", None]
    assert answers[0][2]["code"] == -1003
    assert await running.struck("rate_limit") == 3


async def test_kraken_limits_in_the_body(running: Any) -> None:
    """rate_limit at Kraken: HTTP 200 and an error, as often as asked for."""
    await running.fault("rate_limit", "KRAKEN", count=2)
    answers = [await ask(running, "/0/public/Time") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200] * 3
    assert [body["error"] for _, _, body in answers] == [["EAPI:Rate limit exceeded"]] * 2 + [[]]


async def test_rest_lags_behind_the_socket(running: Any) -> None:
    """rest_lag: REST lacks what was traded in the last seconds, and has it later."""
    socket = await running.socket("/stream?streams=btcusdt@trade")
    await running.texts(socket, 1)
    await running.fault("rest_lag", "BINANCE", seconds=3, value=1)
    seen = json.loads((await running.texts(socket, 100))[-1])["data"]["t"]
    rows = await running.get("/api/v3/trades", symbol="BTCUSDT", limit="1")
    assert not rows or rows[0]["id"] < seen
    assert await running.struck("rest_lag") >= 1
    while not await running.get("/api/v3/historicalTrades", symbol="BTCUSDT", fromId=str(seen)):
        await running.texts(socket, 10)


async def test_rest_breaks_and_hangs(running: Any) -> None:
    """rest_errors: HTTP 500, or no answer at all until the connection is cut."""
    await running.fault("rest_errors", "KRAKEN", value="status", count=1)
    assert [(await ask(running, "/0/public/Time"))[0] for _ in range(2)] == [500, 200]
    # the client asks a second time by itself
    await running.fault("rest_errors", "BINANCE", value="timeout", seconds=0.2, count=2)
    with pytest.raises(aiohttp.ClientError):
        await ask(running, "/api/v3/ping")
    assert (await ask(running, "/api/v3/ping"))[0] == 200
    assert await running.struck("rest_errors", 3) == 3


async def test_kraken_page_without_last(running: Any) -> None:
    """rest_no_last: rows come, the cursor does not."""
    await running.fault("rest_no_last", "KRAKEN", count=1)
    pages = [(await running.get("/0/public/Trades", pair="XBTUSDT"))["result"] for _ in range(2)]
    assert [set(page) for page in pages] == [{"XBTUSDT"}, {"XBTUSDT", "last"}]
    assert await running.struck("rest_no_last") == 1


async def test_rest_is_one_microsecond_off(running: Any) -> None:
    """rest_off_by_1us: the same ids, each time a microsecond later."""
    socket = await running.kraken("BTC/USDT")
    await running.updates(socket, 20)

    async def times() -> dict[int, Decimal]:
        query = {"pair": "XBTUSDT", "since": "0", "count": "20"}
        async with running.session.get(f"{running.url}/0/public/Trades", params=query) as answer:
            rows = json.loads(await answer.text(), parse_float=Decimal)["result"]["XBTUSDT"]
        return {row[6]: row[2] * 1_000_000 for row in rows}

    before = await times()
    await running.fault("rest_off_by_1us", "KRAKEN", seconds=60)
    after = await times()
    assert {trade_id: at_us - before[trade_id] for trade_id, at_us in after.items()} == dict.fromkeys(before, 1)
    assert await running.struck("rest_off_by_1us") == 1


async def test_binance_tells_the_weight_used(running: Any) -> None:
    """Every answer has the weight of the minute."""
    first = int((await ask(running, "/api/v3/ping"))[1]["X-MBX-USED-WEIGHT-1M"])
    second = int((await ask(running, "/api/v3/trades", symbol="BTCUSDT"))[1]["X-MBX-USED-WEIGHT-1M"])
    assert second in (first + 25, 25)


def test_binance_refuses_above_its_weight_until_the_minute_is_over() -> None:
    """6,000 of weight pass in a minute, more is 429 with the seconds to wait."""
    now = [600.0]
    gate = BinanceGate(Conditions("BINANCE"), lambda: now[0])
    assert [gate.enter("trades") for _ in range(WEIGHT_LIMIT // 25)] == [None] * (WEIGHT_LIMIT // 25)
    now[0] = 615.0
    refusal = gate.enter("ping")
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "45"})
    now[0] = 660.0
    assert gate.enter("ping") is None
    assert gate.headers == {"X-MBX-USED-WEIGHT-1M": "1"}


def test_kraken_takes_about_a_call_a_second_when_strict() -> None:
    """Some calls at once pass, then one a second; without strict all pass."""
    now = [0.0]
    strict = KrakenGate(Conditions("KRAKEN"), strict=True, now=lambda: now[0])
    passed = [strict.enter("Trades") is None for _ in range(int(KRAKEN_CALLS) + 2)]
    assert passed == [True] * int(KRAKEN_CALLS) + [False] * 2
    now[0] = 1.0
    assert [strict.enter("Trades") is None for _ in range(2)] == [True, False]
    loose = KrakenGate(Conditions("KRAKEN"), strict=False, now=lambda: now[0])
    assert all(loose.enter("Trades") is None for _ in range(100))


async def test_listed_pairs_say_their_status(simulate: Simulate, cut: Cut) -> None:
    """What is listed without trades says what it is told to; a recorded pair trades, but while it is halted."""
    listed = "KRAKEN:OLD/USD:2:post_only,BINANCE:OLD/USDT:2:BREAK,BINANCE:NEW/USDT:2"
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 20, "binance_btcusdt": 20}), listed=listed)

    async def said() -> tuple[list[str], list[str]]:
        kraken = (await sim.get("/0/public/AssetPairs"))["result"].values()
        binance = (await sim.get("/api/v3/exchangeInfo"))["symbols"]
        return [pair["status"] for pair in kraken], [pair["status"] for pair in binance]

    assert await said() == (["online", "post_only"], ["TRADING", "BREAK", "TRADING"])
    for venue in ("KRAKEN", "BINANCE"):
        await sim.fault("halted", venue, symbol="BTC/USDT", seconds=60)
    assert await said() == (["cancel_only", "post_only"], ["BREAK", "BREAK", "TRADING"])
    assert await sim.struck("halted", 2) == 2


async def test_a_pair_can_leave_the_list_for_a_while(simulate: Simulate, cut: Cut) -> None:
    """Its venue's list has not got it, and goes on to trade it."""
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 20, "binance_btcusdt": 20}), listed="BINANCE:NEW/USDT:2")
    for venue in ("KRAKEN", "BINANCE"):
        await sim.fault("halted", venue, symbol="BTC/USDT", seconds=60, value="missing")
    assert (await sim.get("/0/public/AssetPairs"))["result"] == {}
    assert [each["symbol"] for each in (await sim.get("/api/v3/exchangeInfo"))["symbols"]] == ["NEWUSDT"]
    assert "XBTUSDT" in (await sim.get("/0/public/Trades", pair="XBTUSDT"))["result"]


async def test_rest_can_be_away(simulate: Simulate, cut: Cut) -> None:
    """Every call of the venue is answered 503, until it is over; the other venue answers."""
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 20, "binance_btcusdt": 20}))

    async def answers(*statuses: int) -> bool:
        paths = ("/api/v3/ping", "/api/v3/exchangeInfo", "/0/public/Time")
        return [(await sim.session.get(sim.url + path)).status for path in paths] == list(statuses)

    await sim.fault("rest_outage", "BINANCE", seconds=60)
    assert await answers(503, 503, 200)
    await sim.fault("rest_outage", "BINANCE", seconds=0.001)
    await eventually(lambda: answers(200, 200, 200), "REST")


async def test_tokenized_stocks_are_asked_for_by_their_class(simulate: Simulate, cut: Cut) -> None:
    """The plain list does not have them, and Trades refuses without the class; so it does with a wrong one."""
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 20}), listed="KRAKEN:AAPLx/USD:2")
    plain = (await sim.get("/0/public/AssetPairs"))["result"]
    stocks = (await sim.get("/0/public/AssetPairs", aclass_base="tokenized_asset"))["result"]
    assert (list(plain), list(stocks)) == (["XBTUSDT"], ["AAPLxUSD"])
    assert (stocks["AAPLxUSD"]["wsname"], stocks["AAPLxUSD"]["aclass_base"]) == ("AAPLx/USD", "tokenized_asset")
    answer = await sim.get("/0/public/Trades", pair="AAPLxUSD", asset_class="tokenized_asset")
    assert answer["result"]["AAPLxUSD"] == []
    refused = [
        await sim.get("/0/public/Trades", pair="AAPLxUSD"),
        await sim.get("/0/public/Trades", pair="XBTUSDT", asset_class="tokenized_asset"),
    ]
    assert refused == [{"error": ["EGeneral:Invalid arguments"]}] * 2
    unknown = {"error": ["EGeneral:Invalid arguments:aclass_base"]}
    assert await sim.get("/0/public/AssetPairs", aclass_base="bond") == unknown


async def test_listed_pairs_have_their_decimals_and_no_trades(simulate: Simulate, cut: Cut) -> None:
    """A pair can be listed that nobody trades, with more decimals than decimal(18,8) holds."""
    listed = "KRAKEN:SHIB/USD:10,BINANCE:PEPE/USDT:10"
    sim = await simulate(recordings=cut({"kraken_xbtusdt": 20, "binance_btcusdt": 20}), listed=listed)
    pairs = (await sim.get("/0/public/AssetPairs"))["result"]
    assert {key: pair["pair_decimals"] for key, pair in pairs.items()} == {"XBTUSDT": 1, "SHIBUSD": 10}
    assert (await sim.get("/0/public/Trades", pair="SHIBUSD"))["result"]["SHIBUSD"] == []
    (found,) = (await sim.get("/api/v3/exchangeInfo", symbol="PEPEUSDT"))["symbols"]
    assert (found["filters"][0]["tickSize"], found["quotePrecision"]) == ("0.0000000001", 10)
    assert await sim.get("/api/v3/historicalTrades", symbol="PEPEUSDT", fromId="1") == []
