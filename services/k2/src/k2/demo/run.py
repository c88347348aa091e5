"""The steps of a demo: stack, topics, simulator, agents, playback, drain, reconciliation, end."""

import asyncio
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from k2 import init
from k2.demo import agents, oracle, recomputed
from k2.demo.agents import Fleet, Simulator
from k2.demo.cold import ColdTier
from k2.demo.faults import DroppedIds, to_drop
from k2.demo.observer import Observer
from k2.demo.options import Options
from k2.demo.oracle import Recorded
from k2.demo.reconcile import ColdRows, Expected, Sides, differences, shortfalls
from k2.demo.report import Ages, Report
from k2.demo.screen import Moment, Screen
from k2.demo.strikes import Strikes
from k2.demo.tables import Tables
from k2.demo.warm import Freshness, WarmTier
from k2.demo.warm_candles import WarmCandles
from k2.init import InitSettings
from k2_local import Stack, StackSettings, child, scraped
from k2_local.monitoring import Monitoring
from k2_local.progress import step
from k2_local.targets import Targets
from k2_shared.core.contracts import venues
from k2_shared.core.errors import ConfigError, K2Error
from k2_shared.core.settings import ClickHouseReaderSettings
from k2_shared.kafka.topics import EXCHANGES, Names

_TICK_S = 0.5
_STALLED_S = 60.0
_AGENT_SETTINGS = {"SINK_INTERVAL_S": "5", "K2_PREFIX": ""}


def demo(options: Options, screen: Screen) -> Report:
    """Run a demo from nothing to its report; whatever happens, nothing stays up unless it is to be kept.

    The folder goes, too, unless something in it is worth a look.
    """
    recorded = oracle.recorded(_recordings(options))
    drops = [] if options.calm else _drops(recorded)
    try:
        return _run(options, recorded, drops, screen)
    except (K2Error, KeyboardInterrupt, SystemExit):
        screen.say(_stopped(options.folder))
        raise


def _run(options: Options, recorded: Recorded, drops: Sequence[DroppedIds], screen: Screen) -> Report:
    up = worth_a_look = False
    try:
        environment = _stack(options.folder).up(screen.say)
        worth_a_look = True
        report = Demo(options, environment, recorded, drops, screen).run()
        up, worth_a_look = options.keep, options.keep or not report.succeeded
    finally:
        if not up:
            with child.undisturbed(), step("stopping everything", screen.say):
                stop(options.folder)
        if not worth_a_look:
            shutil.rmtree(options.folder, ignore_errors=True)
    return report


def _recordings(options: Options) -> Path:
    return options.recordings or oracle.packaged_recordings()


def _drops(recorded: Recorded) -> list[DroppedIds]:
    found = to_drop(recorded)
    if not found:
        raise ConfigError("no symbol has three recorded trades in a row, so that one could be dropped: pass --calm")
    return found


def _stopped(folder: Path) -> str:
    """What is left of a demo that ended before its time."""
    if not folder.exists():
        return "stopped: nothing runs, and nothing is left of it"
    return f"stopped early: nothing runs; the logs and data are in {folder} ('rm -r {folder}' removes them)"


def _stack(folder: Path) -> Stack:
    """A demo's own stack; only the download cache is shared."""
    return Stack(_stack_settings(folder))


def _stack_settings(folder: Path) -> StackSettings:
    return StackSettings.load(k2_state_dir=folder / "stack")


def tell(folder: Path, environment: Mapping[str, str], fleet: Fleet) -> None:
    """Write where a demo's pipeline is: ``targets.json`` for k2, and whom a Prometheus beside its stack asks."""
    stack, settings = _stack(folder), {**environment, "K2_PREFIX": ""}
    found = Targets(agents=fleet.targets(), settings=settings, start=stack.order("up"), stack=stack.folder)
    found.write(folder)
    scraped.write(stack.settings.state, found.agents)


def stop(folder: Path) -> None:
    """Stop every process of a demo, its stack and what watches that."""
    agents.stop_all(folder)
    Monitoring(_stack_settings(folder)).down()
    _stack(folder).down()


class Demo:
    """One run on a stack that is up."""

    def __init__(
        self,
        options: Options,
        environment: Mapping[str, str],
        recorded: Recorded,
        drops: Sequence[DroppedIds],
        screen: Screen,
    ) -> None:
        given = {name.lower(): value for name, value in environment.items()}
        self._settings = InitSettings.load(**given, k2_prefix="")
        self._recordings, self._recorded, self._drops = _recordings(options), recorded, drops
        self._screen = screen
        feeds = _feeds(recorded)
        expected = ",".join(feed.removeprefix("feed_") for feed in feeds)
        self._simulator = Simulator(options.folder, {**options.simulator_flags, "expect": expected})
        common = {**environment, **self._simulator.feed_environment(), **_AGENT_SETTINGS}
        self._fleet = Fleet(options.folder, common, feeds)
        tell(options.folder, environment, self._fleet)
        names = Names()
        self._observer = Observer(self._settings, names)
        self._tables = Tables(self._settings, names)
        reader = ClickHouseReaderSettings.load(**given).as_reader()
        self._warm, self._freshness = WarmTier(self._settings, reader, names), Freshness(reader, names)
        self._candles = WarmCandles(reader, names)
        self._cold = ColdTier(environment)
        trades = sum(fits for trades in recorded.values() for fits in trades.values())
        self._strikes = Strikes(
            self._simulator, self._fleet, self._observer, drops, trades, screen.say, calm=options.calm
        )

    def run(self) -> Report:
        """Create, start, play, drain, reconcile."""
        with step("creating topics, schemas and tables", self._screen.say):
            init.apply(self._settings)
        return asyncio.run(self._observed())

    async def _observed(self) -> Report:
        observing = [asyncio.create_task(each.run()) for each in (self._observer, self._freshness)]
        try:
            await self._start()
            self._screen.say("the exchanges play")
            began = time.monotonic()
            with self._screen:
                await self._watch(observing)
            seconds = time.monotonic() - began
            with step("offloading every hour to the cold tier, and comparing both tiers", self._screen.say):
                cold = await asyncio.to_thread(self._cold.read)
            with step("comparing every stage and table with what the exchanges sent, id by id", self._screen.say):
                return await asyncio.to_thread(self._report, seconds, cold)
        finally:
            for each in observing:
                each.cancel()

    async def _start(self) -> None:
        with step("starting the simulated exchanges and every agent", self._screen.say):
            await asyncio.to_thread(self._simulator.start)
            self._strikes.arm()
            self._fleet.start()
            await asyncio.to_thread(self._fleet.wait_ready)

    async def _watch(self, observing: Sequence[asyncio.Task[None]]) -> None:
        """Watch until all is everywhere and every fault has ended, or until nothing has moved for a while."""
        striking = asyncio.create_task(self._strikes.run())
        try:
            await self._settle(observing, striking)
        finally:
            striking.cancel()

    async def _settle(self, observing: Sequence[asyncio.Task[None]], striking: asyncio.Task[None]) -> None:
        before: tuple[int, ...] = ()
        moved = time.monotonic()
        while time.monotonic() - moved < _STALLED_S and not self._strikes.failed:
            moment = await asyncio.to_thread(self._moment)
            self._screen.show(moment)
            if await asyncio.to_thread(self._complete, moment) and striking.done():
                return
            now = tuple(moment.counts.values())
            before, moved = (now, time.monotonic()) if now != before else (before, moved)
            await _pause({*observing, striking})
        hopeless = "a fault did not end well, so that nothing more is waited for"
        self._screen.say(hopeless if self._strikes.failed else self._stalled(await asyncio.to_thread(self._moment)))

    def _stalled(self, moment: Moment) -> str:
        short = ", ".join(self._short(moment)) or "every count is reached, and the simulator or a topic has not ended"
        return f"nothing has moved for {_STALLED_S:.0f} s: {short}"

    def _moment(self) -> Moment:
        tables, warm = self._tables.counts(), self._warm.counts()
        return Moment(self._observer.stages, tables, warm, len(self._observer.ledger), tuple(self._fleet.ended()))

    def _complete(self, moment: Moment) -> bool:
        """Whether every stage and table holds at least what it must, and the stages were read to their ends."""
        if not self._simulator.finished or self._short(moment):
            self._observer.look_again()
            return False
        return self._observer.caught_up

    def _short(self, moment: Moment) -> list[str]:
        return shortfalls(self._expected(), moment.counts)

    def _expected(self) -> Expected:
        return Expected(self._recorded, oracle.delivered(self._simulator.log), self._drops)

    def _report(self, seconds: float, cold: Sequence[ColdRows]) -> Report:
        tables, warm, candles = (
            self._tables.read(),
            self._warm.read(),
            self._candles.read(recomputed.candles(self._recordings)),
        )
        sides = Sides(self._expected(), self._observer.stages, tables, warm, candles.beside, cold)
        ages = Ages(self._tables.gold_ages_ms(), self._freshness.ages_ms)
        return Report(sides, differences(sides), ages, seconds, self._strikes.faults, candles.drawn)


async def _pause(tasks: Collection[asyncio.Task[None]]) -> None:
    """Let a tick pass, less where a task fails; raises what a task has ended with."""
    for task in tasks:
        if task.done():
            task.result()
    await asyncio.wait(tasks, timeout=_TICK_S, return_when=asyncio.FIRST_EXCEPTION)


def _feeds(recorded: Recorded) -> dict[str, dict[str, str]]:
    """The feeds that a run needs, and the symbols of each: those of the recordings."""
    found: dict[str, dict[str, str]] = {}
    for exchange in EXCHANGES:
        symbols = [symbol.partition(":")[2] for symbol in recorded if symbol.startswith(f"{exchange}:")]
        if symbols:
            found[venues()[exchange].service] = {f"{exchange}_SYMBOLS": ",".join(symbols)}
    return found
