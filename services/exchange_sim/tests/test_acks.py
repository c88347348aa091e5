"""Acks of subscriptions that are wrong or never come, as clients see them."""

import asyncio
from typing import Any

import pytest

DEADLINE_S = 90


async def subscribed(running: Any, snapshot: bool = False) -> tuple[Any, Any]:
    """A Kraken socket and the first answer to its subscription."""
    socket = await running.socket("/v2")
    params = {"channel": "trade", "symbol": ["BTC/USDT"], "snapshot": snapshot}
    await socket.send_json({"method": "subscribe", "params": params, "req_id": 7})
    async with asyncio.timeout(DEADLINE_S):
        while (answer := await socket.receive_json()).get("channel") in ("status", "heartbeat"):
            pass
    return socket, answer


@pytest.mark.parametrize("snapshot", [True, False])
async def test_ack_echoes_the_wrong_snapshot(running: Any, snapshot: bool) -> None:
    """wrong_acks, snapshot: the echo is not what was asked for, and no snapshot comes."""
    await running.fault("wrong_acks", "KRAKEN", value="snapshot")
    socket, answer = await subscribed(running, snapshot)
    assert (answer["success"], answer["result"]["snapshot"]) == (True, not snapshot)
    async with asyncio.timeout(DEADLINE_S):
        while (message := await socket.receive_json()).get("channel") != "trade":
            pass
    assert message["type"] == "update"
    assert await running.struck("wrong_acks") == 1


@pytest.mark.parametrize("how", ["symbol", "error"])
async def test_wrong_ack_subscribes_nothing_and_may_be_asked_again(running: Any, how: str) -> None:
    """wrong_acks, symbol and error: no trades; the next request of the same symbol succeeds."""
    await running.fault("wrong_acks", "KRAKEN", value=how)
    socket, answer = await subscribed(running)
    assert answer["success"] == (how == "symbol")
    assert answer.get("result", {"symbol": "NONE/SUCH"})["symbol"] == "NONE/SUCH"
    assert (await running.get("/sim/status"))["venues"]["KRAKEN"]["subscribed"] == []
    params = {"channel": "trade", "symbol": ["BTC/USDT"]}
    await socket.send_json({"method": "subscribe", "params": params})
    assert len(await running.updates(socket, 1)) >= 1


@pytest.mark.parametrize("how", ["id", "error"])
async def test_binance_acks_are_wrong(running: Any, how: str) -> None:
    """wrong_acks at Binance: the id of another request, or an error after which no trade comes."""
    socket = await running.socket("/ws")
    await running.fault("wrong_acks", "BINANCE", value=how)
    await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 5})
    answer = await socket.receive_json(timeout=DEADLINE_S)
    assert (answer["id"] == 5) == (how == "error")
    assert ("error" in answer) == (how == "error")
    await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 6})
    async with asyncio.timeout(DEADLINE_S):
        while (answer := await socket.receive_json()).get("id") != 6:
            pass
    assert answer["result"] == (["btcusdt@trade"] if how == "id" else [])


@pytest.mark.parametrize(("lost", "trades"), [("ack", True), ("request", False)])
async def test_ack_never_comes(running: Any, lost: str, trades: bool) -> None:
    """no_acks: nothing answers the subscription; its trades come if only the ack was lost."""
    await running.fault("no_acks", "KRAKEN", value=lost)
    socket = await running.socket("/v2")
    params = {"channel": "trade", "symbol": ["BTC/USDT"], "snapshot": False}
    await socket.send_json({"method": "subscribe", "params": params})
    await running.struck("no_acks")
    seen: list[Any] = []
    async with asyncio.timeout(DEADLINE_S):
        while not any(each.get("channel") == ("trade" if trades else "heartbeat") for each in seen):
            seen.append(await socket.receive_json())
    assert not any("method" in each for each in seen)
    assert any(each["channel"] == "trade" for each in seen) == trades
