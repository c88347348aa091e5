"""Faults in a market's trades and in what REST has of them; each changes the market's replay."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from exchange_sim.catalogue import OVERFLOW_QUANTITY
from exchange_sim.channel import Channel
from exchange_sim.delivery import Delivery
from exchange_sim.fault_request import FaultRequest
from exchange_sim.market_replay import MarketReplay
from exchange_sim.ranges import compress

SEARCH = 1_000_000  # how far into the future an id is looked for
PAGE = 1_000  # trades of a page of REST; frames handed over before other tasks get their turn


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """What a fault needs of the venue that it is injected into."""

    channel: Channel
    delivery: Delivery
    random: Random
    tasks: set[asyncio.Task[None]]

    def replay(self, request: FaultRequest) -> MarketReplay:
        """The replay of the request's symbol."""
        return self.channel.replays[str(request.symbol)]

    def replays(self, request: FaultRequest) -> list[MarketReplay]:
        """The replay of the request's symbol, or every one."""
        return [self.replay(request)] if request.symbol else list(self.channel.replays.values())

    def struck(self, request: FaultRequest, symbol: str | None = None, count: int = 1) -> None:
        """Count that the requested fault had its effect ``count`` times."""
        self.channel.conditions.struck(request.kind, symbol or request.symbol, count)

    def later(self, work: "asyncio.Task[None]") -> None:
        """Hold a reference to a background task until it is done."""
        self.tasks.add(work)
        work.add_done_callback(self.tasks.discard)


Outcome = dict[str, object]


async def drop_ids(target: FaultTarget, request: FaultRequest) -> Outcome:
    """The next trades, or those of these ids, reach no socket, or not one that the seed chooses."""
    replay = target.replay(request)
    numbers = _withheld(replay, request)
    if request.value == "one":
        listeners = target.channel.subscriptions.listeners(target.channel.venue, str(request.symbol))
        if not listeners:
            return {"connections": 0}
        target.random.choice(listeners).missing.setdefault(str(request.symbol), set()).update(numbers)
    else:
        replay.unheard.update(numbers)
    return {"ids": _ids(replay, numbers)}


async def unfillable(target: FaultTarget, request: FaultRequest) -> Outcome:
    """The next trades reach no socket, and REST never has them."""
    replay = target.replay(request)
    numbers = _next(replay, request)
    replay.unheard.update(numbers)
    replay.rest_hides.update(dict.fromkeys(numbers, request.kind))
    target.delivery.dropping.update({(str(request.symbol), number): request.kind for number in numbers})
    return {"ids": _ids(replay, numbers)}


async def rest_holes(target: FaultTarget, request: FaultRequest) -> Outcome:
    """REST never has the trades of these ids, or the next ones, or some of the recent ones by seed."""
    replay = target.replay(request)
    if request.ids:
        numbers = list(_numbers_of(replay, request.ids))
    elif request.value == "recent":
        recent = range(max(0, replay.exposed - PAGE), replay.exposed)
        numbers = sorted(target.random.sample(recent, min(request.count or 1, len(recent))))
    else:
        numbers = list(_next(replay, request))
    replay.rest_hides.update(dict.fromkeys(numbers, request.kind))
    return {"ids": _ids(replay, numbers)}


async def id_reset(target: FaultTarget, request: FaultRequest) -> Outcome:
    """From the next trade on ids start anew at 1; counted with that trade."""
    replay = target.replay(request)
    before = replay.timeline.trade_id(replay.exposed - 1) if replay.exposed else None
    replay.timeline.reset_ids(replay.exposed)
    replay.when_exposed(replay.exposed, partial(target.struck, request))
    return {"last_id_before": before}


async def clock_offset(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Times of the next trades are wrong, for some seconds; counted with the first of each symbol."""
    _shift(target, request, int(request.number * 1e9))
    target.later(asyncio.create_task(_restore_clock(target, request)))
    return {"symbols": [replay.instrument.symbol for replay in target.replays(request)]}


async def _restore_clock(target: FaultTarget, request: FaultRequest) -> None:
    await asyncio.sleep(request.seconds or 0)
    for replay in target.replays(request):
        replay.timeline.shift_clock(replay.exposed, 0)


def _shift(target: FaultTarget, request: FaultRequest, shift_ns: int) -> None:
    for replay in target.replays(request):
        replay.timeline.shift_clock(replay.exposed, shift_ns)
        replay.when_exposed(replay.exposed, partial(target.struck, request, replay.instrument.symbol))


async def burst(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Many trades in one millisecond, at once."""
    replay = target.replay(request)
    numbers = replay.burst(request.count or 1)
    target.struck(request)
    await _carry(target, replay, numbers, "original")
    return {"ids": _ids(replay, numbers)}


async def overflow(target: FaultTarget, request: FaultRequest) -> Outcome:
    """The next trades have a quantity that decimal(18,8) does not hold; each is counted when it happens."""
    replay = target.replay(request)
    numbers = _next(replay, request)
    replay.overflow(numbers, OVERFLOW_QUANTITY)
    for number in numbers:
        replay.when_exposed(number, partial(target.struck, request))
    return {"ids": _ids(replay, numbers)}


async def duplicate_trades(target: FaultTarget, request: FaultRequest) -> Outcome:
    """The latest trades come once more; counted for each where somebody listens."""
    replay = target.replay(request)
    numbers = range(max(0, replay.exposed - (request.count or 1)), replay.exposed)
    if target.channel.subscriptions.listeners(target.channel.venue, str(request.symbol)):
        target.struck(request, count=len(numbers))
    await _carry(target, replay, numbers, "duplicate")
    return {"ids": _ids(replay, numbers)}


async def _carry(target: FaultTarget, replay: MarketReplay, numbers: range, kind: str) -> None:
    trades = [replay.trade(number) for number in numbers]
    for position, indexes in enumerate(replay.dialect.group(trades)):
        some = numbers[indexes.start : indexes.stop]
        await target.delivery.carry(replay, "duplicate" if kind == "duplicate" else "original", some)
        if position % PAGE == PAGE - 1:
            await asyncio.sleep(0)


def _next(replay: MarketReplay, request: FaultRequest) -> range:
    return range(replay.exposed, replay.exposed + (request.count or 1))


def _withheld(replay: MarketReplay, request: FaultRequest) -> Sequence[int]:
    """The numbers of the trades of the request's ids, of the next ones, or of every second one to come."""
    if request.ids:
        return list(_numbers_of(replay, request.ids))
    return _every_second(replay, request) if request.value == "alternate" else _next(replay, request)


def _every_second(replay: MarketReplay, request: FaultRequest) -> range:
    """The numbers of every second one of twice as many trades to come."""
    return range(replay.exposed + 1, replay.exposed + 1 + 2 * (request.count or 1), 2)


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
