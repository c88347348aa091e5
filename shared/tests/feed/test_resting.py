"""Symbols that were captured before and cannot be now: they rest, nothing of them is forgotten, and they go on."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.telemetry import Metrics
from k2_shared.feed.coverage.coverage import Coverage, Gap, Gaps, Limits, Settled
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.ledger import Cause, EventKind, SymbolRecord, symbols
from k2_shared.feed.coverage.store import Restored
from k2_shared.feed.run.book import Book
from k2_shared.feed.run.control import Control, Director
from k2_shared.feed.run.epoch import Epoch
from k2_shared.feed.venue.listings import Listing, Pairs, listing
from k2_shared.kafka.topics import Names
from k2_support.waiting import eventually

BTC, POL = "BTC/USD", "POL/USD"
TRADING = Pairs({BTC: Listing("XBTUSD"), POL: Listing("POLUSD")})
HALTED = Pairs({BTC: Listing("XBTUSD"), POL: listing("POLUSD", 5, "cancel_only")})
ODD = Pairs({BTC: Listing("XBTUSD"), POL: Listing("", "the venue's list cannot be read where it speaks of it")})
GONE = Pairs({BTC: Listing("XBTUSD")})


class Socket:
    """A connection that takes no order."""


@dataclass
class Kafka:
    """A store and a publisher by hand: the symbols whose coverage was written, and those that were forgotten."""

    limits: Limits = field(default_factory=Limits)
    written: list[Outgoing | str] = field(default_factory=list)

    def checkpoint(self, symbol: str, coverage: Coverage, stamp: int) -> str:
        return f"{symbol} from {coverage.first}"

    def partition(self, symbol: str) -> int:
        return 0

    async def end(self, symbol: str) -> int:
        return 0

    def put(self, record: Outgoing | str) -> None:
        self.written.append(record)

    async def flush(self) -> None:
        return


@dataclass
class Venue:
    """A capture by hand, at a venue that lists what it is told to."""

    pairs: Pairs
    symbols: tuple[str, ...] = (BTC, POL)
    exchange: str = "KRAKEN"
    kafka: Kafka = field(default_factory=Kafka)
    book: Book = field(default_factory=lambda: Book(16))
    names: dict[str, str] = field(default_factory=dict)
    trial: set[str] = field(default_factory=set)
    connections: set[Any] = field(default_factory=set)
    told: list[tuple[EventKind, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: bool = True

    @property
    def venue(self) -> "Venue":
        return self

    @property
    def history(self) -> Any:
        return SimpleNamespace(pairs=self._pairs)

    @property
    def store(self) -> Kafka:
        return self.kafka

    @property
    def publisher(self) -> Kafka:
        return self.kafka

    @property
    def gap_log(self) -> GapLog:
        return GapLog("KRAKEN", self.kafka.put, Metrics("feed_kraken", "0").feed)

    async def _pairs(self) -> Pairs:
        self.asked.set()
        if not self.answers:
            raise Unavailable("no answer")
        return self.pairs

    def tell(self, kind: EventKind, detail: str, symbol: str = "") -> None:
        self.told.append((kind, symbol))

    def close_ledger(self, symbol: str) -> None:
        gaps = self.book.series[symbol].coverage.gaps
        self.gap_log.unfillable(symbol, [Settled(gap, gap.first, gap.last) for gap in gaps])

    def forget(self, symbol: str) -> None:
        self.names.pop(symbol, None)
        self.book.drop(symbol)
        self.kafka.put(f"{symbol} forgotten")


def covered() -> Coverage:
    """What Kafka has of a symbol."""
    return Coverage(first=1, high=100, high_us=9, gaps=Gaps([Gap(40, 50, Cause.RECONNECT, 1, 0)]))


def epoch(venue: Venue, **coverages: Coverage) -> Epoch:
    """A run on that venue; the coverages are of POL/USD and the like."""
    found = {name.replace("_", "/"): coverage for name, coverage in coverages.items()}
    control = Control(KafkaSettings.load(), Names(), "KRAKEN", Metrics("feed", "0").errors)
    return Epoch(venue, control, Restored(found, {}, [], {0: 7}, {}, 0, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("pairs", [HALTED, ODD, GONE])
async def test_a_symbol_that_was_captured_rests_while_it_is_not_to_be_had(pairs: Pairs) -> None:
    """Halted, oddly listed or not at all: it is told, the others are captured, and nothing of it is forgotten."""
    venue, coverage = Venue(pairs), covered()
    run = epoch(venue, POL_USD=coverage)
    await run.begin(pairs)
    assert (venue.names, run.resting) == ({BTC: "XBTUSD"}, {POL})
    assert venue.told == [(EventKind.LOST, POL), (EventKind.REJECTED, POL)]
    assert venue.kafka.written == [f"{BTC} from 0"]
    assert (coverage.first, coverage.high, [*coverage.gaps]) == (1, 100, [*covered().gaps])


@pytest.mark.parametrize(
    ("pairs", "why"), [(HALTED, "status is 'cancel_only'"), (ODD, "cannot be read"), (GONE, "does not trade it")]
)
async def test_a_symbol_of_the_settings_that_was_never_captured_is_refused(pairs: Pairs, why: str) -> None:
    """By variable, name and reason, before anything is written or told."""
    venue = Venue(pairs)
    with pytest.raises(ConfigError, match=rf"asked for POL/USD: .*{why}.*; check KRAKEN_SYMBOLS"):
        await epoch(venue).begin(pairs)
    assert (venue.kafka.written, venue.told) == ([], [])


async def test_a_halted_symbol_of_an_operator_costs_the_others_nothing() -> None:
    """It is told, also if it was never captured."""
    venue = Venue(HALTED, symbols=(BTC,))
    run = epoch(venue)
    run.control.said[POL] = SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1)
    await run.begin(HALTED)
    assert (venue.names, run.resting, venue.told) == ({BTC: "XBTUSD"}, set(), [(EventKind.REJECTED, POL)])


@pytest.fixture
async def resting() -> tuple[Venue, Director]:
    """A venue on which a captured symbol rests, and the director of the run."""
    venue = Venue(HALTED)
    run = epoch(venue, POL_USD=covered())
    await run.begin(HALTED)
    venue.kafka.written.clear()
    return venue, Director(venue, run.resting, run._take_over)  # type: ignore[arg-type]


def gone_on(venue: Venue) -> bool:
    """Whether the symbol is captured from where it stood, with what was missing of it."""
    series = venue.book.series.get(POL)
    if series is None or venue.names.get(POL) != "POLUSD":
        return False
    coverage = series.coverage
    return (coverage.first, coverage.high, len(coverage.gaps)) == (1, 100, 1) and not venue.kafka.written


async def test_what_rests_is_taken_up_when_it_trades_again(resting: tuple[Venue, Director]) -> None:
    """From where it stood, without a restart or a word; a list that cannot be had is asked for again."""
    venue, director = resting
    retrying = asyncio.create_task(director.retry(0))
    try:
        for pairs, answers in ((HALTED, True), (TRADING, False)):
            venue.pairs, venue.answers = pairs, answers
            venue.asked.clear()
            await venue.asked.wait()
            assert director.resting == {POL}
        venue.answers = True
        await eventually(lambda: not director.resting, "the symbol to be taken up", 30.0)
    finally:
        retrying.cancel()
    assert gone_on(venue)


async def test_an_operators_word_takes_it_up_from_where_it_stood(resting: tuple[Venue, Director]) -> None:
    """And not from its next trade: what was missing would be forgotten."""
    venue, director = resting
    venue.pairs = TRADING
    await director.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1))
    assert gone_on(venue)
    assert director.resting == set()


async def test_while_it_is_halted_an_operators_word_is_rejected(resting: tuple[Venue, Director]) -> None:
    """It rests on."""
    venue, director = resting
    await director.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=True, at=1))
    assert venue.told[2:] == [(EventKind.REJECTED, POL)]
    assert director.resting == {POL}


async def test_what_rests_can_be_removed(resting: tuple[Venue, Director]) -> None:
    """No socket is told, for none was asked for it; it is forgotten, and not taken up any more."""
    venue, director = resting
    venue.connections.add(Socket())
    await director.hear(SymbolRecord(exchange="KRAKEN", symbol=POL, captured=False, at=1))
    assert venue.told[2:] == [(EventKind.UNSUBSCRIBED, POL)]
    assert venue.kafka.written == [f"{POL} forgotten"]
    assert director.resting == set()


@pytest.mark.parametrize("symbol", ["", "BTCUSD", "BTC/USD\n", "KRAKEN:BTC/USD"])
def test_a_word_about_what_is_no_symbol_is_left(symbol: str) -> None:
    """Whoever wrote it; nothing is asked of the venue, and no event repeats it."""
    control = Control(KafkaSettings.load(), Names(), "KRAKEN", Metrics("feed", "0").errors)
    record = symbols.outgoing(SymbolRecord(exchange="KRAKEN", symbol=symbol, captured=True, at=1))
    assert control._understood(record.value) is None
    assert control.wanted(()) == []
