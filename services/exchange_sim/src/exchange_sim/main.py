"""Run the exchange simulator."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence

from aiohttp import web

from exchange_sim.oracle import OracleLog
from exchange_sim.recordings import load
from exchange_sim.server import Simulator
from exchange_sim.settings import SERVICE, SimSettings, from_command_line
from k2_shared.core.errors import ConfigError
from k2_shared.core.exits import told_in_one_line
from k2_shared.core.misspellings import misspellings


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the exit code is 2 when that cannot be done as asked."""
    with told_in_one_line(SERVICE):
        settings = from_command_line(sys.argv[1:] if arguments is None else arguments)
        sys.stderr.writelines(f"{SERVICE}: {each}\n" for each in misspellings())
        asyncio.run(serve(settings))


async def serve(settings: SimSettings) -> None:
    """Listen, announce the URLs on stdout, play, and stop in order at a signal.

    Raises:
        ConfigError: the recordings, the log or the port cannot be used.
    """
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    recordings = load(settings.sim_recordings)
    log = OracleLog(settings.sim_log)
    try:
        await _run(settings, Simulator(settings, recordings, log), stop)
    finally:
        log.close()


async def _run(settings: SimSettings, simulator: Simulator, stop: asyncio.Event) -> None:
    runner = web.AppRunner(simulator.app(), access_log=None)
    await runner.setup()
    try:
        _announce(settings.sim_host, await _listen(runner, settings))
        await _until(stop, asyncio.create_task(simulator.play()))
    finally:
        await runner.cleanup()


async def _until(stop: asyncio.Event, playing: asyncio.Task[None]) -> None:
    """Wait for the signal; playback that fails ends the process too."""
    signalled = asyncio.create_task(stop.wait())
    await asyncio.wait({signalled, playing}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing


async def _listen(runner: web.AppRunner, settings: SimSettings) -> int:
    site = web.TCPSite(runner, settings.sim_host, settings.sim_port)
    try:
        await site.start()
    except OSError as error:
        where = f"{settings.sim_host}:{settings.sim_port}"
        raise ConfigError(f"cannot listen on {where}: {error.strerror or error}") from None
    return int(runner.addresses[0][1])


def _announce(host: str, port: int) -> None:
    address = f"{host}:{port}"
    urls = {
        "kraken_ws_url": f"ws://{address}/v2",
        "kraken_rest_url": f"http://{address}",
        "binance_ws_url": f"ws://{address}",
        "binance_rest_url": f"http://{address}",
        "status_url": f"http://{address}/sim/status",
    }
    print(json.dumps({"url": f"http://{address}", **urls}), flush=True)  # noqa: T201  # the one line of output
