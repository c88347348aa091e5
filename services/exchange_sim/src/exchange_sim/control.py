"""The simulator's own routes: its state, the ids it assigned, and faults on demand."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping

from aiohttp import web

from exchange_sim.channel import Channel
from exchange_sim.inject import Injector
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Venue
from exchange_sim.ranges import Range, assigned, ids_of, summary
from k2_shared.core.errors import ConfigError

_WHAT: Mapping[str, Callable[[MarketReplay], list[Range]]] = {
    "ids": assigned,
    "unheard": lambda replay: ids_of(replay, replay.unheard),
    "hidden": lambda replay: ids_of(replay, replay.rest_hides),
}


class Control:
    """Handlers of ``/sim/assigned`` and ``/sim/faults``; ``injector`` is None where faults are not possible."""

    def __init__(self, channels: Mapping[Venue, Channel], injector: Injector | None) -> None:
        self._channels = channels
        self._injector = injector

    def routes(self) -> list[web.RouteDef]:
        """The routes to register."""
        return [web.get("/sim/assigned", self._assigned), web.post("/sim/faults", self._inject)]

    async def _assigned(self, request: web.Request) -> web.Response:
        """All markets in brief, or with ``?ids=VENUE:SYMBOL`` one market's ids as ranges.

        ``unheard`` instead of ``ids`` are those that no socket ever carries, ``hidden`` those that REST never has.
        """
        asked = next((what for what in _WHAT if what in request.query), None)
        if asked is None:
            return web.json_response(self._summaries())
        name = request.query[asked]
        markets = {f"{venue}:{symbol}": replay for venue, symbol, replay in self._replays()}
        if name not in markets:
            return _bad(f"{asked}={name!r} is not allowed: it is one of {', '.join(markets)}")
        return web.json_response(_WHAT[asked](markets[name]))

    def _summaries(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = {}
        for venue, symbol, replay in self._replays():
            found.setdefault(venue, {})[symbol] = summary(replay)
        return found

    def _replays(self) -> Iterator[tuple[Venue, str, MarketReplay]]:
        for venue, channel in self._channels.items():
            for symbol, replay in channel.replays.items():
                yield venue, symbol, replay

    async def _inject(self, request: web.Request) -> web.Response:
        if self._injector is None:
            return _bad("faults need REST that tells the past: start without --rest-all")
        try:
            fault = self._injector.read(await request.json())
        except json.JSONDecodeError as error:
            return _bad(f"the body is not JSON: {error}")
        except ConfigError as error:
            return _bad(str(error))
        # shielded: a client that hangs up must not leave a fault half injected
        return web.json_response(await asyncio.shield(self._injector.inject(fault)))


def _bad(error: str) -> web.Response:
    return web.json_response({"error": error}, status=400)
