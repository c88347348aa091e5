"""Symbols that were captured before and cannot be now: they are suspended, nothing is forgotten, and they go on."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import KafkaSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.coverage import Coverage, CoverageLimits, Gap, Gaps
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState, SymbolRecord, symbols
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.store import Restored
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.run.control_topic import ControlTopic
from k2_shared.feed.run.controller import SymbolController
from k2_shared.feed.run.recovery import Recovery
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.venue.listings import Listing, Pairs, listing
from k2_shared.kafka.topics import Names
from k2_support.waiting import eventually

BTC, POL = "BTC/USD", "POL/USD"
TRADING = Pairs({BTC: Listing("XBTUSD"), POL: Listing("POLUSD")})
HALTED = Pairs({BTC: Listing("XBTUSD"), POL: listing("POLUSD", 5, "cancel_only")})
ODD = Pairs({BTC: Listing("XBTUSD"), POL: Listing("", "the venue's list cannot be read where it speaks of it")})
GONE = Pairs({BTC: Listing("XBTUSD")})


@dataclass
class Kafka:
    """A store and a publisher by hand: the symbols whose coverage was written, and those that were forgotten."""

    limits: CoverageLimits = field(default_factory=CoverageLimits)
    written: list[Outgoing | str] = field(default_factory=list)

    def checkpoint(self, symbol: str, coverage: Coverage, stamp: int) -> str:
        return f"{symbol} from {coverage.first}"

    def forgotten(self, symbol: str) -> str:
        return f"{symbol} forgotten"

    def partition(self, symbol: str) -> int:
        return 0

    async def end(self, symbol: str) -> int:
        return 0

    def put(self, record: Outgoing | str) -> None:
        self.written.append(record)

    async def flush(self) -> None:
        return


@dataclass
class Events:
    """An event log whose events are kept here, by kind and symbol."""

    exchange: str = "KRAKEN"
    told: list[tuple[EventKind, str]] = field(default_factory=list)

    def tell(self, kind: EventKind, detail: str, symbol: str = "") -> None:
        self.told.append((kind, symbol))


@dataclass
class Run:
    """A run on a venue that lists what it is told to; nothing is connected, and Kafka is a list."""

    pairs: Pairs
    coverages: dict[str, Coverage] = field(default_factory=dict)
    configured: tuple[str, ...] = (BTC, POL)
    answers: bool = True

    def __post_init__(self) -> None:
        self.kafka, self.events, self.asked = Kafka(), Events(), asyncio.Event()
        kafka: Any = self.kafka
        events: Any = self.events
        metrics = Metrics("feed_kraken", "0")
        gap_log = GapLog("KRAKEN", kafka.put, metrics.feed)
        self.symbols = CapturedSymbols(SymbolTracker(16), gap_log, events, kafka, kafka, metrics.last_record, {})
        self.control = ControlTopic(KafkaSettings.load(), Names(), "KRAKEN", metrics.errors)
        venue: Any = SimpleNamespace(exchange="KRAKEN", symbols=self.configured)
        restored = Restored(self.coverages, {}, [], {0: 7}, {}, 0, {})
        self.recovery = Recovery(venue, self.control, restored, self.symbols, kafka, kafka.put)
        self.connector: Any = SimpleNamespace(connections=set())
        self.controller = SymbolController(self.symbols, self.connector, self._pairs, self.recovery.take_over)

    async def _pairs(self) -> Pairs:
        self.asked.set()
        if not self.answers:
            raise Unavailable("no answer")
        return self.pairs

    @property
    def gone_on(self) -> bool:
        """Whether the symbol is captured from where it stood, with what was missing of it."""
        tracked = self.symbols.tracker.symbols.get(POL)
        if tracked is None or self.symbols.names.get(POL) != "POLUSD":
            return False
        coverage = tracked.coverage
        return (coverage.first, coverage.high, len(coverage.gaps)) == (1, 100, 1) and not self.kafka.written


def covered() -> Coverage:
    """What Kafka has of a symbol."""
    return Coverage(first=1, high=100, high_us=9, gaps=Gaps([Gap(40, 50, Cause.RECONNECT, 1, 0)]))


@pytest.mark.parametrize("pairs", [HALTED, ODD, GONE])
def test_a_symbol_that_was_captured_is_suspended_while_it_is_not_to_be_had(pairs: Pairs) -> None:
    """Halted, oddly listed or not at all: it is told, the others are captured, and nothing of it is forgotten."""
    coverage = covered()
    run = Run(pairs, {POL: coverage})
    run.recovery.begin(pairs)
    assert (run.symbols.names, run.symbols.suspended) == ({BTC: "XBTUSD"}, {POL})
    assert run.events.told == [(EventKind.LOST, POL), (EventKind.REJECTED, POL)]
    assert run.kafka.written == [f"{BTC} from 0"]
    assert (coverage.first, coverage.high, [*coverage.gaps]) == (1, 100, [*covered().gaps])


@pytest.mark.parametrize(
    ("pairs", "why"), [(HALTED, "status is 'cancel_only'"), (ODD, "cannot be read"), (GONE, "does not trade it")]
)
def test_a_symbol_of_the_settings_that_was_never_captured_is_refused(pairs: Pairs, why: str) -> None:
    """By variable, name and reason, before anything is written or told."""
    run = Run(pairs)
    with pytest.raises(ConfigError, match=rf"asked for POL/USD: .*{why}.*; check KRAKEN_SYMBOLS"):
        run.recovery.begin(pairs)
    assert (run.kafka.written, run.events.told) == ([], [])


def test_a_halted_symbol_of_an_operator_costs_the_others_nothing() -> None:
    """It is told, also if it was never captured."""
    run = Run(HALTED, configured=(BTC,))
    run.control.said[POL] = SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1)
    run.recovery.begin(HALTED)
    assert (run.symbols.names, run.symbols.suspended) == ({BTC: "XBTUSD"}, set())
    assert run.events.told == [(EventKind.REJECTED, POL)]


@pytest.fixture
def suspended() -> Run:
    """A run on a venue that has halted a symbol that was captured before."""
    run = Run(HALTED, {POL: covered()})
    run.recovery.begin(HALTED)
    run.kafka.written.clear()
    return run


async def test_a_suspended_symbol_is_captured_when_it_trades_again(suspended: Run) -> None:
    """From where it stood, without a restart or a word; a list that cannot be had is asked for again."""
    run = suspended
    retrying = asyncio.create_task(run.controller.retry_suspended(0))
    try:
        for pairs, answers in ((HALTED, True), (TRADING, False)):
            run.pairs, run.answers = pairs, answers
            run.asked.clear()
            await run.asked.wait()
            assert run.symbols.suspended == {POL}
        run.answers = True
        await eventually(lambda: not run.symbols.suspended, "the symbol to be captured")
    finally:
        retrying.cancel()
    assert run.gone_on


async def test_an_operators_word_has_it_captured_from_where_it_stood(suspended: Run) -> None:
    """And not from its next trade: what was missing would be forgotten."""
    suspended.pairs = TRADING
    await suspended.controller.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1))
    assert suspended.gone_on
    assert suspended.symbols.suspended == set()


async def test_while_it_is_halted_an_operators_word_is_rejected(suspended: Run) -> None:
    """It stays suspended."""
    await suspended.controller.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1))
    assert suspended.events.told[2:] == [(EventKind.REJECTED, POL)]
    assert suspended.symbols.suspended == {POL}


async def test_a_suspended_symbol_can_be_removed(suspended: Run) -> None:
    """No connection is told, for none was asked for it; its gap is closed, and it is not captured any more."""
    suspended.connector.connections.add("a connection that takes no order")
    await suspended.controller.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=False, at=1))
    assert suspended.events.told[2:] == [(EventKind.UNSUBSCRIBED, POL)]
    *gaps, end = suspended.kafka.written
    assert [feed_records.gaps.read(each.value).state for each in gaps] == [GapState.OPENED, GapState.UNFILLABLE]
    assert end == f"{POL} forgotten"
    assert suspended.symbols.suspended == set()


@pytest.mark.parametrize("symbol", ["", "BTCUSD", "BTC/USD\n", "KRAKEN:BTC/USD"])
def test_a_word_about_what_is_no_symbol_is_left(symbol: str) -> None:
    """Whoever wrote it; nothing is asked of the venue, and no event repeats it."""
    control = ControlTopic(KafkaSettings.load(), Names(), "KRAKEN", Metrics("feed", "0").errors)
    record = symbols.outgoing(SymbolRecord(exchange="KRAKEN", symbol=symbol, captured=True, at=1))
    assert control.read_record(record.value) is None
    assert control.wanted(()) == []
