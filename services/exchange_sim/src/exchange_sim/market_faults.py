"""Faults of what a venue trades and of what its REST has: they strike the replay."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from random import Random

from exchange_sim.catalogue import OVERFLOW_QUANTITY
from exchange_sim.channel import Channel
from exchange_sim.delivery import Delivery
from exchange_sim.market_replay import MarketReplay
from exchange_sim.order import Order
from exchange_sim.ranges import compress

SEARCH = 1_000_000  # how far into the future an id is looked for
PAGE = 1_000  # trades of a page of REST; frames handed over before other tasks get their turn


@dataclass(frozen=True, slots=True)
class Target:
    """A venue under attack."""

    channel: Channel
    delivery: Delivery
    random: Random
    tasks: set[asyncio.Task[None]]

    def replay(self, order: Order) -> MarketReplay:
        """The replay of the order's symbol."""
        return self.channel.replays[str(order.symbol)]

    def replays(self, order: Order) -> list[MarketReplay]:
        """The replay of the order's symbol, or every one."""
        return [self.replay(order)] if order.symbol else list(self.channel.replays.values())

    def struck(self, order: Order, symbol: str | None = None, count: int = 1) -> None:
        """Count strikes of the order."""
        self.channel.conditions.struck(order.kind, symbol or order.symbol, count)

    def later(self, work: "asyncio.Task[None]") -> None:
        """Keep a task until it is done."""
        self.tasks.add(work)
        work.add_done_callback(self.tasks.discard)


Done = dict[str, object]


async def drop_ids(target: Target, order: Order) -> Done:
    """The next trades reach no socket, or not one that the seed chooses; or every second one reaches none."""
    replay = target.replay(order)
    numbers = _every_second(replay, order) if order.value == "alternate" else _next(replay, order)
    if order.value == "one":
        listeners = target.channel.hub.listeners(target.channel.venue, str(order.symbol))
        if not listeners:
            return {"connections": 0}
        target.random.choice(listeners).missing.setdefault(str(order.symbol), set()).update(numbers)
    else:
        replay.unheard.update(numbers)
    return {"ids": _ids(replay, numbers)}


async def unfillable(target: Target, order: Order) -> Done:
    """The next trades reach no socket, and REST never has them."""
    replay = target.replay(order)
    numbers = _next(replay, order)
    replay.unheard.update(numbers)
    replay.rest_hides.update(dict.fromkeys(numbers, order.kind))
    target.delivery.dropping.update({(str(order.symbol), number): order.kind for number in numbers})
    return {"ids": _ids(replay, numbers)}


async def rest_holes(target: Target, order: Order) -> Done:
    """REST never has the trades of these ids, or the next ones, or some of the recent ones by seed."""
    replay = target.replay(order)
    if order.ids:
        numbers = list(_numbers_of(replay, order.ids))
    elif order.value == "recent":
        recent = range(max(0, replay.exposed - PAGE), replay.exposed)
        numbers = sorted(target.random.sample(recent, min(order.count or 1, len(recent))))
    else:
        numbers = list(_next(replay, order))
    replay.rest_hides.update(dict.fromkeys(numbers, order.kind))
    return {"ids": _ids(replay, numbers)}


async def id_reset(target: Target, order: Order) -> Done:
    """From the next trade on ids start anew; strikes with that trade."""
    replay = target.replay(order)
    before = replay.timeline.trade_id(replay.exposed - 1) if replay.exposed else None
    replay.timeline.reset_ids(replay.exposed)
    replay.when_exposed(replay.exposed, partial(target.struck, order))
    return {"last_id_before": before}


async def clock_offset(target: Target, order: Order) -> Done:
    """Times of the next trades are wrong, for some seconds; strikes with the first of each symbol."""
    _shift(target, order, int(order.number * 1e9))
    target.later(asyncio.create_task(_restore_clock(target, order)))
    return {"symbols": [replay.instrument.symbol for replay in target.replays(order)]}


async def _restore_clock(target: Target, order: Order) -> None:
    await asyncio.sleep(order.seconds or 0)
    for replay in target.replays(order):
        replay.timeline.shift_clock(replay.exposed, 0)


def _shift(target: Target, order: Order, shift_ns: int) -> None:
    for replay in target.replays(order):
        replay.timeline.shift_clock(replay.exposed, shift_ns)
        replay.when_exposed(replay.exposed, partial(target.struck, order, replay.instrument.symbol))


async def burst(target: Target, order: Order) -> Done:
    """Many trades in one millisecond, at once."""
    replay = target.replay(order)
    numbers = replay.burst(order.count or 1)
    target.struck(order)
    await _carry(target, replay, numbers, "original")
    return {"ids": _ids(replay, numbers)}


async def overflow(target: Target, order: Order) -> Done:
    """The next trades have a quantity that decimal(18,8) does not hold; each strikes when it happens."""
    replay = target.replay(order)
    numbers = _next(replay, order)
    replay.overflow(numbers, OVERFLOW_QUANTITY)
    for number in numbers:
        replay.when_exposed(number, partial(target.struck, order))
    return {"ids": _ids(replay, numbers)}


async def duplicate_trades(target: Target, order: Order) -> Done:
    """The latest trades come once more; strikes for each that somebody listened to."""
    replay = target.replay(order)
    numbers = range(max(0, replay.exposed - (order.count or 1)), replay.exposed)
    if target.channel.hub.listeners(target.channel.venue, str(order.symbol)):
        target.struck(order, count=len(numbers))
    await _carry(target, replay, numbers, "duplicate")
    return {"ids": _ids(replay, numbers)}


async def _carry(target: Target, replay: MarketReplay, numbers: range, kind: str) -> None:
    trades = [replay.trade(number) for number in numbers]
    for position, indexes in enumerate(replay.dialect.group(trades)):
        some = numbers[indexes.start : indexes.stop]
        await target.delivery.carry(replay, "duplicate" if kind == "duplicate" else "original", some)
        if position % PAGE == PAGE - 1:
            await asyncio.sleep(0)


def _next(replay: MarketReplay, order: Order) -> range:
    return range(replay.exposed, replay.exposed + (order.count or 1))


def _every_second(replay: MarketReplay, order: Order) -> range:
    """The numbers of every second one of twice as many trades to come."""
    return range(replay.exposed + 1, replay.exposed + 1 + 2 * (order.count or 1), 2)


def _ids(replay: MarketReplay, numbers: Iterable[int]) -> list[tuple[int, int]]:
    return compress(replay.timeline.trade_id(number) for number in numbers)


def _numbers_of(replay: MarketReplay, ids: Iterable[int]) -> Iterable[int]:
    """The trades of ids, past and to come, of the latest run of ids that has each."""
    starts = replay.timeline.id_starts
    stops = [*starts[1:], replay.exposed + SEARCH]
    for trade_id in ids:
        for start, stop in reversed(list(zip(starts, stops, strict=True))):
            number = replay.timeline.find(trade_id, start, stop)
            if number is not None:
                yield number
                break
