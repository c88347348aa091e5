"""Both venues' REST behind aiohttp."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from exchange_sim.binance_rest import BinanceRest
from exchange_sim.conditions import Conditions
from exchange_sim.kraken_rest import KrakenRest
from exchange_sim.listing import History, listings
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Venue
from exchange_sim.rest_gate import BinanceGate, KrakenGate, Refusal
from exchange_sim.rest_view import RestView
from exchange_sim.settings import SimSettings


class RestServer:
    """Answers from the replays under the conditions of each venue; ``close`` ends calls that are kept waiting."""

    def __init__(
        self,
        replays: Mapping[Venue, Sequence[MarketReplay]],
        conditions: Mapping[Venue, Conditions],
        settings: SimSettings,
    ) -> None:
        listed = listings(settings.sim_listed)
        markets: dict[Venue, list[MarketReplay | History]] = {
            venue: [
                *(RestView(replay, conditions[venue]) for replay in found),
                *(each for each in listed if each.instrument.venue == venue),
            ]
            for venue, found in replays.items()
        }
        self._kraken = KrakenRest(markets["KRAKEN"], conditions=conditions["KRAKEN"])
        self._binance = BinanceRest(markets["BINANCE"])
        self._kraken_gate = KrakenGate(conditions["KRAKEN"], strict=settings.sim_strict_rest)
        self._binance_gate = BinanceGate(conditions["BINANCE"])
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """The routes to register."""
        return [
            web.get("/0/public/{call}", self._ask_kraken),
            web.post("/0/public/{call}", self._ask_kraken),
            web.get("/api/v3/{call}", self._ask_binance),
        ]

    def close(self) -> None:
        """End the calls that are kept waiting."""
        self._closing.set()

    async def _ask_kraken(self, request: web.Request) -> web.Response:
        refusal = self._kraken_gate.enter(request.match_info["call"])
        if refusal is not None:
            return await self._refuse(request, refusal, self._kraken_gate.headers)
        query: dict[str, Any] = {**request.query, **await request.post()}
        return _json(self._kraken.answer(request.match_info["call"], query))

    async def _ask_binance(self, request: web.Request) -> web.Response:
        refusal = self._binance_gate.enter(request.match_info["call"])
        if refusal is not None:
            return await self._refuse(request, refusal, self._binance_gate.headers)
        micros = request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
        answer = self._binance.answer(request.match_info["call"], request.query, micros=micros)
        return _json(answer.body, answer.status, self._binance_gate.headers)

    async def _refuse(self, request: web.Request, refusal: Refusal, headers: Mapping[str, str]) -> web.Response:
        if refusal.after_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), refusal.after_s)
            if request.transport is not None:
                request.transport.abort()
        return _json(refusal.body, refusal.status, {**headers, **refusal.headers})


def _json(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=body, status=status, headers=headers, content_type="application/json")
