"""Faults of a venue's connections."""

import asyncio
import time
from collections.abc import Callable

from exchange_sim import binance, kraken, wire
from exchange_sim.channel import Peer
from exchange_sim.conditions import Active
from exchange_sim.fault_request import FaultRequest
from exchange_sim.fuzz import fuzzed
from exchange_sim.market_faults import FaultTarget, Outcome


async def drop_connections(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Abort connections without a Close frame."""
    return _each(target, request, lambda peer: peer.drop())


async def half_open(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Send and answer nothing more on connections, not even a pong; abort them after ``seconds``."""
    return _each(target, request, lambda peer: peer.stop_responding(request.seconds or 0))


async def close_without_tcp(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Send a Close frame and then nothing more; abort TCP after ``seconds``."""
    return _each(target, request, lambda peer: peer.stop_responding(request.seconds or 0, wire.GOING_AWAY))


async def server_shutdown(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Announce the end to every connection and abort it ``seconds`` later; counted for each that was told."""
    peers = _chosen(target, request)
    told = [peer for peer in peers if await peer.tell(binance.server_shutdown(time.time_ns()), trade=True)]
    target.struck(request, count=len(told))
    target.later(asyncio.create_task(_abort_later(peers, request.seconds or 0)))
    return {"connections": [peer.number for peer in told]}


async def _abort_later(peers: list[Peer], seconds: float) -> None:
    await asyncio.sleep(seconds)
    for peer in peers:
        peer.drop()


async def maintenance(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Announce maintenance, and let nothing trade for ``seconds``; counted once."""
    conditions = target.channel.conditions
    conditions.start(request.kind)
    target.struck(request)
    told = await _say_status(target, "maintenance")
    target.later(asyncio.create_task(_back_online(target, request, conditions.active(request.kind))))
    return {"connections": told}


async def _back_online(target: FaultTarget, request: FaultRequest, begun: Active | None) -> None:
    """End the maintenance, unless another has begun since; the status is sent before the first trade."""
    conditions = target.channel.conditions
    await asyncio.sleep(request.seconds or 0)
    if conditions.active(request.kind) is begun:
        try:
            await _say_status(target, "online")
        finally:
            conditions.stop(request.kind)


async def _say_status(target: FaultTarget, system: str) -> list[int]:
    peers = sorted(target.channel.connections, key=lambda peer: peer.number)
    for peer in peers:
        await peer.emptied()  # no trade comes behind the word that nothing trades
    return [peer.number for peer in peers if await peer.tell(kraken.status(peer.number, system))]


async def fuzzed_frames(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Garbage made from the latest trade's frame, to every socket; counted for each that gets one."""
    replay = target.replays(request)[0]
    last = max(0, replay.exposed - 1)
    _, frame = replay.payload([last], None)
    texts = [fuzzed(frame, target.random, str(request.value)) for _ in range(request.count or 1)]
    peers = _chosen(target, request)
    sent = [await peer.tell(text) for text in texts for peer in peers]
    target.struck(request, count=sum(sent))
    return {"connections": [peer.number for peer in peers], "frames": len(texts)}


def _each(target: FaultTarget, request: FaultRequest, disturb: Callable[[Peer], None]) -> Outcome:
    """Disturb the connections that a request means, and name them."""
    peers = _chosen(target, request)
    for peer in peers:
        disturb(peer)
    target.struck(request, count=len(peers))
    return {"connections": [peer.number for peer in peers]}


def _chosen(target: FaultTarget, request: FaultRequest) -> list[Peer]:
    """The connections that a request means, by number: of its symbol, and as many as its count."""
    found = sorted(target.channel.connections, key=lambda peer: peer.number)
    if request.symbol:
        listeners = set(map(id, target.channel.subscriptions.listeners(target.channel.venue, request.symbol)))
        found = [peer for peer in found if id(peer) in listeners]
    if request.count is None or request.kind == "fuzzed_frames" or request.count >= len(found):
        return found
    return sorted(target.random.sample(found, request.count), key=lambda peer: peer.number)
