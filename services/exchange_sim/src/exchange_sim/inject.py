"""Injects requested faults; every kind has a function that carries it out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from random import Random

from exchange_sim import market_faults, socket_faults
from exchange_sim.catalogue import INJECTED
from exchange_sim.channel import Channel
from exchange_sim.delivery import Delivery
from exchange_sim.fault_request import FaultRequest, Markets, parse
from exchange_sim.market_faults import FaultTarget, Outcome
from exchange_sim.model import Venue

Effect = Callable[[FaultTarget, FaultRequest], Awaitable[Outcome]]


async def _begin(target: FaultTarget, request: FaultRequest) -> Outcome:
    """Activate a fault that sockets, playback or REST then apply, and count, by themselves."""
    count = request.count
    # the seconds of a REST call that is never answered are its own
    seconds = None if request.kind == "rest_errors" else request.seconds
    value = request.seconds if request.value == "timeout" else request.value
    target.channel.conditions.start(request.kind, request.symbol, seconds=seconds, count=count, value=value)
    return {"until_s": seconds} if seconds is not None else {"occasions": count}


_OWN: Mapping[str, Effect] = {
    "drop_ids": market_faults.drop_ids,
    "unfillable": market_faults.unfillable,
    "rest_holes": market_faults.rest_holes,
    "id_reset": market_faults.id_reset,
    "clock_offset": market_faults.clock_offset,
    "burst": market_faults.burst,
    "overflow": market_faults.overflow,
    "duplicate_trades": market_faults.duplicate_trades,
    "drop_connections": socket_faults.drop_connections,
    "half_open": socket_faults.half_open,
    "close_without_tcp": socket_faults.close_without_tcp,
    "server_shutdown": socket_faults.server_shutdown,
    "maintenance": socket_faults.maintenance,
    "fuzzed_frames": socket_faults.fuzzed_frames,
}
EFFECTS: Mapping[str, Effect] = {kind: _OWN.get(kind, _begin) for kind in INJECTED}


class Injector:
    """Injects faults into the venues that take part; the seed decides what a request leaves open."""

    def __init__(self, venues: Mapping[Venue, tuple[Channel, Delivery]], seed: int) -> None:
        self._random = Random(f"{seed}/injected")  # noqa: S311  # repeatable on purpose
        self._tasks: set[asyncio.Task[None]] = set()
        self._targets = {
            venue: FaultTarget(channel, delivery, self._random, self._tasks)
            for venue, (channel, delivery) in venues.items()
        }

    @property
    def markets(self) -> Markets:
        """The symbols of each venue that takes part."""
        return {venue: list(target.channel.replays) for venue, target in self._targets.items()}

    def read(self, said: object) -> FaultRequest:
        """Read a request from JSON.

        Raises:
            ConfigError: it makes no sense; says what is allowed.
        """
        return parse(said, self.markets, self._random)

    async def inject(self, request: FaultRequest) -> Outcome:
        """Inject a fault now; returns the request with its defaults, and under ``did`` what was done."""
        did = await EFFECTS[request.kind](self._targets[request.venue], request)
        return {key: each for key, each in asdict(request).items() if each not in (None, ())} | {"did": did}

    async def close(self) -> None:
        """Cancel what injected faults still had to do, and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
