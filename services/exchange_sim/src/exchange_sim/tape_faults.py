"""Faults of what a venue trades and of what its REST has: they strike the tape."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from random import Random

from exchange_sim.catalogue import OVERFLOW_QUANTITY
from exchange_sim.channel import Channel
from exchange_sim.delivery import Delivery
from exchange_sim.order import Order
from exchange_sim.ranges import compress
from exchange_sim.tape import Tape

SEARCH = 1_000_000  # how far into the future an id is looked for
PAGE = 1_000  # trades of a page of REST; frames handed over before other tasks get their turn


@dataclass(frozen=True, slots=True)
class Target:
    """A venue under attack."""

    channel: Channel
    delivery: Delivery
    random: Random
    tasks: set[asyncio.Task[None]]

    def tape(self, order: Order) -> Tape:
        """The tape of the order's symbol."""
        return self.channel.tapes[str(order.symbol)]

    def tapes(self, order: Order) -> list[Tape]:
        """The tape of the order's symbol, or every one."""
        return [self.tape(order)] if order.symbol else list(self.channel.tapes.values())

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
    tape = target.tape(order)
    numbers = _every_second(tape, order) if order.value == "alternate" else _next(tape, order)
    if order.value == "one":
        listeners = target.channel.hub.listeners(target.channel.venue, str(order.symbol))
        if not listeners:
            return {"connections": 0}
        target.random.choice(listeners).missing.setdefault(str(order.symbol), set()).update(numbers)
    else:
        tape.unheard.update(numbers)
    return {"ids": _ids(tape, numbers)}


async def unfillable(target: Target, order: Order) -> Done:
    """The next trades reach no socket, and REST never has them."""
    tape = target.tape(order)
    numbers = _next(tape, order)
    tape.unheard.update(numbers)
    tape.rest_hides.update(dict.fromkeys(numbers, order.kind))
    target.delivery.dropping.update({(str(order.symbol), number): order.kind for number in numbers})
    return {"ids": _ids(tape, numbers)}


async def rest_holes(target: Target, order: Order) -> Done:
    """REST never has the trades of these ids, or the next ones, or some of the recent ones by seed."""
    tape = target.tape(order)
    if order.ids:
        numbers = list(_numbers_of(tape, order.ids))
    elif order.value == "recent":
        recent = range(max(0, tape.exposed - PAGE), tape.exposed)
        numbers = sorted(target.random.sample(recent, min(order.count or 1, len(recent))))
    else:
        numbers = list(_next(tape, order))
    tape.rest_hides.update(dict.fromkeys(numbers, order.kind))
    return {"ids": _ids(tape, numbers)}


async def id_reset(target: Target, order: Order) -> Done:
    """From the next trade on ids start anew; strikes with that trade."""
    tape = target.tape(order)
    before = tape.course.trade_id(tape.exposed - 1) if tape.exposed else None
    tape.course.reset_ids(tape.exposed)
    tape.when_exposed(tape.exposed, partial(target.struck, order))
    return {"last_id_before": before}


async def clock_offset(target: Target, order: Order) -> Done:
    """Times of the next trades are wrong, for some seconds; strikes with the first of each symbol."""
    _shift(target, order, int(order.number * 1e9))
    target.later(asyncio.create_task(_restore_clock(target, order)))
    return {"symbols": [tape.instrument.symbol for tape in target.tapes(order)]}


async def _restore_clock(target: Target, order: Order) -> None:
    await asyncio.sleep(order.seconds or 0)
    for tape in target.tapes(order):
        tape.course.shift_clock(tape.exposed, 0)


def _shift(target: Target, order: Order, shift_ns: int) -> None:
    for tape in target.tapes(order):
        tape.course.shift_clock(tape.exposed, shift_ns)
        tape.when_exposed(tape.exposed, partial(target.struck, order, tape.instrument.symbol))


async def burst(target: Target, order: Order) -> Done:
    """Many trades in one millisecond, at once."""
    tape = target.tape(order)
    numbers = tape.burst(order.count or 1)
    target.struck(order)
    await _carry(target, tape, numbers, "original")
    return {"ids": _ids(tape, numbers)}


async def overflow(target: Target, order: Order) -> Done:
    """The next trades have a quantity that decimal(18,8) does not hold; each strikes when it happens."""
    tape = target.tape(order)
    numbers = _next(tape, order)
    tape.overflow(numbers, OVERFLOW_QUANTITY)
    for number in numbers:
        tape.when_exposed(number, partial(target.struck, order))
    return {"ids": _ids(tape, numbers)}


async def duplicate_trades(target: Target, order: Order) -> Done:
    """The latest trades come once more; strikes for each that somebody listened to."""
    tape = target.tape(order)
    numbers = range(max(0, tape.exposed - (order.count or 1)), tape.exposed)
    if target.channel.hub.listeners(target.channel.venue, str(order.symbol)):
        target.struck(order, count=len(numbers))
    await _carry(target, tape, numbers, "duplicate")
    return {"ids": _ids(tape, numbers)}


async def _carry(target: Target, tape: Tape, numbers: range, kind: str) -> None:
    trades = [tape.trade(number) for number in numbers]
    for position, indexes in enumerate(tape.dialect.group(trades)):
        some = numbers[indexes.start : indexes.stop]
        await target.delivery.carry(tape, "duplicate" if kind == "duplicate" else "original", some)
        if position % PAGE == PAGE - 1:
            await asyncio.sleep(0)


def _next(tape: Tape, order: Order) -> range:
    return range(tape.exposed, tape.exposed + (order.count or 1))


def _every_second(tape: Tape, order: Order) -> range:
    """The numbers of every second one of twice as many trades to come."""
    return range(tape.exposed + 1, tape.exposed + 1 + 2 * (order.count or 1), 2)


def _ids(tape: Tape, numbers: Iterable[int]) -> list[tuple[int, int]]:
    return compress(tape.course.trade_id(number) for number in numbers)


def _numbers_of(tape: Tape, ids: Iterable[int]) -> Iterable[int]:
    """The trades of ids, past and to come, of the latest run of ids that has each."""
    starts = tape.course.epochs
    stops = [*starts[1:], tape.exposed + SEARCH]
    for trade_id in ids:
        for start, stop in reversed(list(zip(starts, stops, strict=True))):
            number = tape.course.find(trade_id, start, stop)
            if number is not None:
                yield number
                break
