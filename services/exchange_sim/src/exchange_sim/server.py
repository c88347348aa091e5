"""The simulator's server: wires both venues and serves them over aiohttp."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import count

from aiohttp import web

from exchange_sim import binance, kraken
from exchange_sim.channel import Channel, Dialog
from exchange_sim.conditions import Conditions
from exchange_sim.connection import CLOSE_S, STALL_S, Connection
from exchange_sim.control import Control
from exchange_sim.delivery import Delivery
from exchange_sim.fault_counts import FaultCounts
from exchange_sim.fault_schedule import ScheduledFault, inject_when_due, random_faults, scripted_faults
from exchange_sim.inject import Injector
from exchange_sim.listing import listings
from exchange_sim.model import VENUES, Recording, Venue
from exchange_sim.oracle import OracleLog
from exchange_sim.playback import Player
from exchange_sim.replies import Reply
from exchange_sim.rest_server import RestServer
from exchange_sim.settings import SimSettings
from exchange_sim.subscriptions import Subscriptions
from exchange_sim.venue import SimulatedVenue
from k2_shared.core.errors import ConfigError

HEARTBEAT_S = 1.0  # https://docs.kraken.com/api/docs/websocket-v2/heartbeat
PING_S = 20.0  # https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
FLUSH_S = 0.5
MAX_REQUEST_BYTES = 64 * 1_024


class Simulator:
    """Both venues on one port; ``app`` is to be run, then ``play`` in the background."""

    def __init__(self, settings: SimSettings, recordings: Sequence[Recording], log: OracleLog) -> None:
        self._settings = settings
        self._log = log
        self._fault_counts = FaultCounts(log)
        self._numbers = count(1)
        simulated = {venue: SimulatedVenue(venue, _of(recordings, venue), settings) for venue in VENUES}
        if not any(simulated[venue].replays for venue in settings.expected):
            raise ConfigError(f"no recording of {', '.join(settings.expected)} in {settings.sim_recordings}")
        symbols = {venue: [replay.instrument.symbol for replay in each.replays] for venue, each in simulated.items()}
        self._subscriptions = Subscriptions(symbols, settings.expected)
        self._channels = {venue: self._channel(each) for venue, each in simulated.items()}
        ways = {venue: self._way(venue) for venue in settings.expected}
        self._players = [simulated[venue].player(way) for venue, way in ways.items()]
        self._injector = Injector(
            {venue: (self._channels[venue], way) for venue, way in ways.items() if simulated[venue].replays},
            settings.sim_seed,
        )
        self._scheduled = self._schedule()
        self._rest = RestServer(
            {venue: each.rest_replays for venue, each in simulated.items()},
            {venue: channel.conditions for venue, channel in self._channels.items()},
            settings,
        )

    def app(self) -> web.Application:
        """The application with every route."""
        app = web.Application()
        control = Control(self._channels, None if self._settings.sim_rest_all else self._injector)
        app.add_routes(
            [
                web.get("/v2", self._kraken_socket),
                web.get("/ws", self._binance_socket),
                web.get("/ws/{streams:.+}", self._binance_socket),
                web.get("/stream", self._binance_socket),
                web.get("/sim/status", self._status),
                web.get("/healthz", self._healthz),
                *self._rest.routes(),
                *control.routes(),
            ]
        )
        app.on_shutdown.append(self._hang_up)
        return app

    async def play(self) -> None:
        """Play every venue that takes part; flushes the log as it goes."""
        playing = (player.run(self._fault_counts.flush) for player in self._players)
        await asyncio.gather(self._flush_now_and_then(), *map(self._inject, self._scheduled), *playing)

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._fault_counts.flush()

    def _schedule(self) -> list[Iterable[ScheduledFault]]:
        """The scripted and the random faults that the settings ask for."""
        given, markets = self._settings, self._injector.markets
        schedules: list[Iterable[ScheduledFault]] = []
        if given.sim_faults_script is not None:
            schedules.append(scripted_faults(given.sim_faults_script, markets, given.sim_seed))
        if given.sim_storm:
            schedules.append(random_faults(given.sim_storm, markets, given.sim_seed))
        return schedules

    async def _inject(self, faults: Iterable[ScheduledFault]) -> None:
        if not self._settings.sim_unattended:
            await self._subscriptions.started.wait()
        await inject_when_due(self._injector, faults)

    def _channel(self, simulated: SimulatedVenue) -> Channel:
        return Channel(
            simulated.venue,
            {replay.instrument.symbol: replay for replay in simulated.replays},
            self._subscriptions,
            self._log,
            count(1),
            Conditions(simulated.venue, self._fault_counts),
            queued=self._settings.sim_unattended,
        )

    def _way(self, venue: Venue) -> Delivery:
        return Delivery(self._subscriptions, self._channels[venue].conditions, unattended=self._settings.sim_unattended)

    async def _kraken_socket(self, request: web.Request) -> web.StreamResponse:
        number = next(self._numbers)
        channel = self._channels["KRAKEN"]
        listed = [each.instrument.symbol for each in listings(self._settings.sim_listed)]
        dialog = kraken.Dialog(channel.replays, listed)
        system = "maintenance" if channel.conditions.active("maintenance") else "online"
        return await self._converse(request, "KRAKEN", dialog, dialog.greet(number, system), number)

    async def _binance_socket(self, request: web.Request) -> web.StreamResponse:
        combined = request.path == "/stream"
        micros = request.query.get("timeUnit", "").upper() == "MICROSECOND"
        names = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        replays = self._channels["BINANCE"].replays.values()
        dialog = binance.Dialog([replay.instrument for replay in replays], combined=combined, micros=micros)
        opening = [dialog.open(names.split("/"))]
        return await self._converse(request, "BINANCE", dialog, opening, next(self._numbers))

    async def _converse(
        self, request: web.Request, venue: Venue, dialog: Dialog, opening: Sequence[Reply], number: int
    ) -> web.StreamResponse:
        if self._channels[venue].conditions.take("refuse_connections"):
            return web.Response(status=503, text="unavailable\n")
        socket = web.WebSocketResponse(timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=MAX_REQUEST_BYTES)
        await socket.prepare(request)
        connection = Connection(self._channels[venue], dialog, socket, request, number)
        keep_alive = _heartbeats if venue == "KRAKEN" else _pings
        await connection.serve(opening, lambda each: asyncio.create_task(keep_alive(each)))
        return socket

    async def _hang_up(self, _app: web.Application) -> None:
        self._rest.close()
        await self._injector.close()
        connections = [each for channel in self._channels.values() for each in channel.connections]
        await asyncio.gather(*(connection.hang_up() for connection in connections))
        self._fault_counts.flush()

    async def _status(self, _request: web.Request) -> web.Response:
        venues = {player.venue: self._status_of(player) for player in self._players}
        finished = all(player.finished for player in self._players)
        said = {"venues": venues, "started": self._subscriptions.started.is_set(), "finished": finished}
        return web.json_response({**said, "faults": self._fault_counts.counts})

    def _status_of(self, player: Player) -> dict[str, object]:
        waiting_for = self._subscriptions.waiting_for(player.venue)
        return {
            "subscribed": [symbol for symbol in self._subscriptions.symbols(player.venue) if symbol not in waiting_for],
            "waiting_for": waiting_for,
            "frames_total": player.frames_total,
            "frames_played": player.frames_played,
            "finished": player.finished,
        }

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")


def _of(recordings: Sequence[Recording], venue: Venue) -> list[Recording]:
    return [recording for recording in recordings if recording.instrument.venue == venue]


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
