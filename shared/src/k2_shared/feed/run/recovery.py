"""The start of a run: which symbols are captured, and where each goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field

from k2_shared.core.errors import ConfigError
from k2_shared.core.logs import logger
from k2_shared.core.records import Outgoing
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.feed_records import Cause, EventKind, now_us
from k2_shared.feed.coverage.gap_log import GapFold
from k2_shared.feed.coverage.store import CoverageStore, Restored
from k2_shared.feed.run.control_topic import ControlTopic
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.venue import Venue

RESTORED = "feed_restored"


@dataclass
class Recovery:
    """Takes every wanted symbol over from its checkpoint. ``put`` sends a record.

    ``left`` are the coverages of symbols that are kept and not captured now: they go on from there when they come back.
    """

    venue: Venue
    control: ControlTopic
    restored: Restored
    symbols: CapturedSymbols
    store: CoverageStore
    put: Callable[[Outgoing], None]
    left: dict[str, Coverage] = field(default_factory=dict)

    def begin(self, pairs: Pairs) -> None:
        """Choose the symbols and go on where each stands.

        Raises:
            ConfigError: a symbol of the settings was never captured, and cannot be.
        """
        wanted = self.control.wanted(self.venue.symbols)
        refused = {symbol: why for symbol in wanted if (why := pairs.refusal(symbol))}
        for symbol, why in refused.items():
            if symbol in self.venue.symbols and symbol not in self.restored.coverages:
                raise _unusable(self.venue, symbol, why)
        for symbol, why in refused.items():
            self._refuse(symbol, why)
        for symbol in wanted:
            if symbol not in refused:
                self.symbols.names[symbol] = pairs.name(symbol)
                self.take_over(symbol)
        for symbol in self.control.removed() & self.restored.coverages.keys():
            self.take_over(symbol)
            self.symbols.forget(symbol)
        ended = self.symbols.tracker.symbols.keys() | self.control.removed()
        self.left |= {symbol: each for symbol, each in self.restored.coverages.items() if symbol not in ended}

    def take_over(self, symbol: str) -> None:
        """Go on with a symbol from its checkpoint; one without any begins now, which is put before any trade is."""
        self.left.pop(symbol, None)
        coverage = self.restored.coverages.get(symbol)
        if coverage is None:
            coverage = Coverage(self.store.limits, began_at=now_us())
            if symbol not in self.venue.symbols:
                self.symbols.on_trial.add(symbol)
            stamp = self.restored.ends[self.store.partition(symbol)]
            self.put(self.store.checkpoint(symbol, coverage, stamp))
        coverage.expect(Cause.RESTART)
        tracked = self.symbols.tracker.add(symbol, coverage)
        said = self.control.said.get(symbol)
        tracked.backfill_from = said.backfill_from_id or 0 if said else 0
        self.symbols.gap_log.reconcile(symbol, coverage, self.restored.gaps.get(symbol, GapFold()))

    def log(self) -> None:
        """Log how many symbols, gaps and records of bronze were restored."""
        tracked = self.symbols.tracker.symbols.values()
        gaps = sum(len(each.coverage.gaps) for each in tracked)
        logger().info(RESTORED, symbols=len(self.symbols.names), gaps=gaps, replayed=self.restored.replayed)

    def _refuse(self, symbol: str, why: str) -> None:
        """Tell why a symbol is not captured; one that was captured before is suspended."""
        if symbol in self.restored.coverages:
            self.symbols.suspended.add(symbol)
            self.symbols.events.tell(EventKind.LOST, "it rests until its venue trades it again", symbol)
        self.symbols.events.tell(EventKind.REJECTED, why, symbol)


def _unusable(venue: Venue, symbol: str, why: str) -> ConfigError:
    """The error for a symbol of the settings that cannot be captured."""
    return ConfigError(f"{venue.exchange} cannot be asked for {symbol}: {why}; check {venue.exchange}_SYMBOLS")
