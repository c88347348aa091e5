"""The server: the pure core behind aiohttp."""

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from aiohttp import web

from exchange_sim import binance, kraken
from exchange_sim.binance_rest import BinanceRest
from exchange_sim.connection import CLOSE_S, STALL_S, Channel, Connection, Dialog
from exchange_sim.hub import Hub
from exchange_sim.kraken_rest import KrakenRest
from exchange_sim.model import VENUES, Recording, Venue
from exchange_sim.oracle import OracleLog
from exchange_sim.playback import Player
from exchange_sim.replies import Reply
from exchange_sim.settings import SimSettings
from exchange_sim.venue import Stage
from k2_shared.errors import ConfigError

HEARTBEAT_S = 1.0  # https://docs.kraken.com/api/docs/websocket-v2/heartbeat
PING_S = 20.0  # https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
FLUSH_S = 0.5
MAX_REQUEST_BYTES = 64 * 1_024


class Simulator:
    """Both venues on one port; ``app`` is to be run, then ``play`` in the background."""

    def __init__(self, settings: SimSettings, recordings: Sequence[Recording], log: OracleLog) -> None:
        self._log = log
        self._numbers = count(1)
        stages = {venue: Stage(venue, _of(recordings, venue), settings) for venue in VENUES}
        if not any(stages[venue].tapes for venue in settings.expected):
            raise ConfigError(f"no recording of {', '.join(settings.expected)} in {settings.sim_recordings}")
        symbols = {venue: [tape.instrument.symbol for tape in stage.tapes] for venue, stage in stages.items()}
        self._hub = Hub(symbols, settings.expected)
        self._channels = {venue: self._channel(stage) for venue, stage in stages.items()}
        self._players: list[Player] = [stages[venue].player(self._hub) for venue in settings.expected]
        self._kraken = KrakenRest(stages["KRAKEN"].rest_tapes)
        self._binance = BinanceRest(stages["BINANCE"].rest_tapes)
        self._connections: set[Connection] = set()

    def app(self) -> web.Application:
        """The application with every route."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/v2", self._kraken_socket),
                web.get("/ws", self._binance_socket),
                web.get("/ws/{streams:.+}", self._binance_socket),
                web.get("/stream", self._binance_socket),
                web.get("/0/public/{call}", self._kraken_rest),
                web.post("/0/public/{call}", self._kraken_rest),
                web.get("/api/v3/{call}", self._binance_rest),
                web.get("/sim/status", self._status),
                web.get("/healthz", self._healthz),
            ]
        )
        app.on_shutdown.append(self._hang_up)
        return app

    async def play(self) -> None:
        """Play every venue that takes part; flushes the log as it goes."""
        playing = (player.run(self._log.flush) for player in self._players)
        await asyncio.gather(self._flush_now_and_then(), *playing)

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._log.flush()

    def _channel(self, stage: Stage) -> Channel:
        tapes = {tape.instrument.symbol: tape for tape in stage.tapes}
        return Channel(stage.venue, tapes, self._hub, self._log, count(1))

    async def _kraken_socket(self, request: web.Request) -> web.WebSocketResponse:
        number = next(self._numbers)
        dialog = kraken.Dialog(self._channels["KRAKEN"].tapes)
        return await self._converse(request, "KRAKEN", dialog, dialog.greet(number), number)

    async def _binance_socket(self, request: web.Request) -> web.WebSocketResponse:
        combined = request.path == "/stream"
        micros = request.query.get("timeUnit", "").upper() == "MICROSECOND"
        names = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        tapes = self._channels["BINANCE"].tapes.values()
        dialog = binance.Dialog([tape.instrument for tape in tapes], combined=combined, micros=micros)
        opening = [dialog.open(names.split("/"))]
        return await self._converse(request, "BINANCE", dialog, opening, next(self._numbers))

    async def _converse(
        self, request: web.Request, venue: Venue, dialog: Dialog, opening: Sequence[Reply], number: int
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=MAX_REQUEST_BYTES)
        await socket.prepare(request)
        connection = Connection(self._channels[venue], dialog, socket, request, number)
        self._connections.add(connection)
        keeper = _heartbeats if venue == "KRAKEN" else _pings
        try:
            await connection.serve(opening, lambda each: asyncio.create_task(keeper(each)))
        finally:
            self._connections.discard(connection)
        return socket

    async def _hang_up(self, _app: web.Application) -> None:
        await asyncio.gather(*(connection.hang_up() for connection in self._connections))

    async def _kraken_rest(self, request: web.Request) -> web.Response:
        query: dict[str, Any] = {**request.query, **await request.post()}
        return _json(self._kraken.answer(request.match_info["call"], query))

    async def _binance_rest(self, request: web.Request) -> web.Response:
        micros = request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
        answer = self._binance.answer(request.match_info["call"], request.query, micros=micros)
        return _json(answer.body, answer.status)

    async def _status(self, _request: web.Request) -> web.Response:
        venues = {player.venue: self._status_of(player) for player in self._players}
        finished = all(player.finished for player in self._players)
        return web.json_response({"venues": venues, "started": self._hub.started.is_set(), "finished": finished})

    def _status_of(self, player: Player) -> dict[str, object]:
        waiting_for = self._hub.waiting_for(player.venue)
        return {
            "subscribed": [symbol for symbol in self._hub.symbols(player.venue) if symbol not in waiting_for],
            "waiting_for": waiting_for,
            "frames_total": player.frames_total,
            "frames_played": player.frames_played,
            "finished": player.finished,
        }

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")


def _of(recordings: Sequence[Recording], venue: Venue) -> list[Recording]:
    return [recording for recording in recordings if recording.instrument.venue == venue]


def _json(body: str, status: int = 200) -> web.Response:
    return web.Response(text=body, status=status, content_type="application/json")


async def _heartbeats(connection: Connection) -> None:
    """Kraken's sign of life, about once a second when nothing else is sent."""
    while True:
        quiet_s = time.monotonic() - connection.last_sent
        if quiet_s < HEARTBEAT_S:
            await asyncio.sleep(HEARTBEAT_S - quiet_s)
        elif not await connection.tell(kraken.HEARTBEAT):
            return


async def _pings(connection: Connection) -> None:
    """Binance's ping every 20 s; who does not answer within a minute is disconnected."""
    while True:
        await asyncio.sleep(PING_S)
        if time.monotonic() - connection.last_pong > STALL_S:
            return connection.drop()
        await connection.ping()
