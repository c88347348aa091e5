"""Faults that strike the connections of a venue."""

import asyncio
import time
from collections.abc import Callable

from exchange_sim import binance, kraken, wire
from exchange_sim.channel import Peer
from exchange_sim.conditions import Active
from exchange_sim.garbage import garbage
from exchange_sim.market_faults import Done, Target
from exchange_sim.order import Order


async def drop_connections(target: Target, order: Order) -> Done:
    """Abort."""
    return _each(target, order, lambda peer: peer.drop())


async def half_open(target: Target, order: Order) -> Done:
    """Nothing is sent or answered any more, not even a pong."""
    return _each(target, order, lambda peer: peer.play_dead(order.seconds or 0))


async def close_without_tcp(target: Target, order: Order) -> Done:
    """A Close frame, and then nothing, not even the end of TCP."""
    return _each(target, order, lambda peer: peer.play_dead(order.seconds or 0, wire.GOING_AWAY))


async def server_shutdown(target: Target, order: Order) -> Done:
    """Announce the end to every connection, and abort it some seconds later; strikes each that is told."""
    peers = _chosen(target, order)
    told = [peer for peer in peers if await peer.tell(binance.server_shutdown(time.time_ns()), trade=True)]
    target.struck(order, count=len(told))
    target.later(asyncio.create_task(_abort_later(peers, order.seconds or 0)))
    return {"connections": [peer.number for peer in told]}


async def _abort_later(peers: list[Peer], seconds: float) -> None:
    await asyncio.sleep(seconds)
    for peer in peers:
        peer.drop()


async def maintenance(target: Target, order: Order) -> Done:
    """Nothing trades until the status is online again; strikes once."""
    conditions = target.channel.conditions
    conditions.start(order.kind)
    target.struck(order)
    told = await _say_status(target, "maintenance")
    target.later(asyncio.create_task(_back_online(target, order, conditions.active(order.kind))))
    return {"connections": told}


async def _back_online(target: Target, order: Order, begun: Active | None) -> None:
    """End it, unless another has begun since; nothing trades before the status is told."""
    conditions = target.channel.conditions
    await asyncio.sleep(order.seconds or 0)
    if conditions.active(order.kind) is begun:
        try:
            await _say_status(target, "online")
        finally:
            conditions.stop(order.kind)


async def _say_status(target: Target, system: str) -> list[int]:
    peers = sorted(target.channel.connections, key=lambda peer: peer.number)
    for peer in peers:
        await peer.emptied()  # no trade comes behind the word that nothing trades
    return [peer.number for peer in peers if await peer.tell(kraken.status(peer.number, system))]


async def fuzzed_frames(target: Target, order: Order) -> Done:
    """Garbage made from the latest trade's frame, to every socket; strikes each that gets one."""
    replay = target.replays(order)[0]
    last = max(0, replay.exposed - 1)
    _, frame = replay.payload([last], None)
    texts = [garbage(frame, target.random, str(order.value)) for _ in range(order.count or 1)]
    peers = _chosen(target, order)
    sent = [await peer.tell(text) for text in texts for peer in peers]
    target.struck(order, count=sum(sent))
    return {"connections": [peer.number for peer in peers], "frames": len(texts)}


def _each(target: Target, order: Order, strike: Callable[[Peer], None]) -> Done:
    """Strike some connections, or all."""
    peers = _chosen(target, order)
    for peer in peers:
        strike(peer)
    target.struck(order, count=len(peers))
    return {"connections": [peer.number for peer in peers]}


def _chosen(target: Target, order: Order) -> list[Peer]:
    """The connections that an order means, by number: of its symbol, and as many as its count."""
    found = sorted(target.channel.connections, key=lambda peer: peer.number)
    if order.symbol:
        listeners = set(map(id, target.channel.hub.listeners(target.channel.venue, order.symbol)))
        found = [peer for peer in found if id(peer) in listeners]
    if order.count is None or order.kind == "fuzzed_frames" or order.count >= len(found):
        return found
    return sorted(target.random.sample(found, order.count), key=lambda peer: peer.number)
