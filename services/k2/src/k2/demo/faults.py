"""The faults that a demo makes, and what became of them: ids that venues never sent, and gold killed. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from k2.demo.oracle import Recorded, Struck
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import GapRecord, GapState
from k2_shared.feed.coverage.intervals import IntervalSet
from k2_shared.kafka.topics import EXCHANGES

IDS = 3
"""How many ids in a row a venue drops."""
FILLED_WITHIN_S = 45.0
"""For how long ids may be missing; a feed tells of a gap after a second, and asks REST then."""
_AFTER_SHARE = 4  # the first quarter of a symbol's trades comes before the ids that are dropped


@dataclass(frozen=True)
class DroppedIds:
    """Ids of a symbol, both ends included, that its venue's sockets never carry and its REST has."""

    exchange: Exchange
    symbol: str
    first_id: int
    last_id: int

    def __str__(self) -> str:
        count, which = self.last_id - self.first_id + 1, "ids" if self.last_id > self.first_id else "id"
        return f"{count} {which} of {self.symbol} that {self.exchange} never sent ({self.first_id} to {self.last_id})"

    @property
    def ids(self) -> range:
        """The venue's ids."""
        return range(self.first_id, self.last_id + 1)

    @property
    def message_ids(self) -> list[str]:
        """The ids of the trades."""
        return [f"{self.exchange}:{self.symbol}:{number}" for number in self.ids]


def to_drop(recorded: Recorded) -> list[DroppedIds]:
    """What each venue drops: ids in a row, of the symbol with the most trades, between two that it sends."""
    found = []
    for exchange in EXCHANGES:
        own = {name.partition(":")[2]: trades for name, trades in recorded.items() if name.startswith(f"{exchange}:")}
        if own:
            symbol = max(own, key=lambda name: len(own[name]))
            found += [DroppedIds(exchange, symbol, first, last) for first, last in _in_a_row(own[symbol])]
    return found


def _in_a_row(trades: Mapping[int, bool]) -> list[tuple[int, int]]:
    """The first and last of up to ``IDS`` ids in a row that V3 holds, with a recorded id on either side; or nothing."""
    ids = sorted(number for number, fits in trades.items() if fits)
    for count in range(IDS, 0, -1):
        for at in range(max(1, len(ids) // _AFTER_SHARE), len(ids) - count):
            if ids[at + count] - ids[at - 1] == count + 1:
                return [(ids[at], ids[at + count - 1])]
    return []


@dataclass(frozen=True)
class DropOutcome:
    """What became of dropped ids; seconds are counted from ``began_s``, when the venue did not send the first.

    That is in seconds since the epoch.
    """

    dropped: DroppedIds
    struck: int = 0
    began_s: float | None = None
    recorded_after_s: float | None = None
    filled_after_s: float | None = None
    given_up: bool = False

    def failed(self, now_s: float) -> bool:
        """Whether nothing good can come any more, at a time in seconds since the epoch."""
        overdue = self.began_s is not None and now_s > self.began_s + FILLED_WITHIN_S
        return self.given_up or (overdue and self.filled_after_s is None)

    @property
    def problem(self) -> str | None:
        """What should have happened and did not; None when all did."""
        if self.struck != len(self.dropped.ids):
            return f"{self.dropped}: the venue dropped {self.struck} of them"
        if self.given_up:
            return f"{self.dropped}: the feed gave them up as unfillable, though REST has them"
        if self.recorded_after_s is None:
            return f"{self.dropped}: no gap was recorded"
        if self.filled_after_s is None:
            return f"{self.dropped}: a gap was recorded after {self.recorded_after_s:.1f} s and not filled"
        return None


def outcome(dropped: DroppedIds, struck: Mapping[tuple[str, str], Struck], ledger: Sequence[GapRecord]) -> DropOutcome:
    """What became of dropped ids, by the simulator's log and the records of the gap ledger."""
    told = {state: [gap for gap in ledger if gap.state is state and _is_about(gap, dropped)] for state in GapState}
    strike = struck.get((dropped.exchange, dropped.symbol))
    began_s = strike.at_ns / 1e9 if strike else None
    return DropOutcome(
        dropped,
        strike.ids if strike else 0,
        began_s,
        _settled(told[GapState.OPENED], dropped, began_s),
        _settled(told[GapState.FILLED], dropped, began_s),
        bool(told[GapState.UNFILLABLE]),
    )


def _is_about(gap: GapRecord, dropped: DroppedIds) -> bool:
    same = (gap.exchange, gap.symbol) == (dropped.exchange, dropped.symbol)
    return same and gap.first_id <= dropped.last_id and gap.last_id >= dropped.first_id


def _settled(gaps: Sequence[GapRecord], dropped: DroppedIds, began_s: float | None) -> float | None:
    """Seconds until records had told of every id; None where they have not."""
    told = IntervalSet((gap.first_id, gap.last_id) for gap in gaps)
    if began_s is None or told.without(dropped.first_id, dropped.last_id):
        return None
    return round(max(gap.at for gap in gaps) / 1e6 - began_s, 1)


@dataclass
class GoldKill:
    """Gold's death by ``kill -9`` after so many records, and how long it was until it wrote again, exactly once."""

    at_record: int | None = None
    back_after_s: float | None = None
    ended: str = ""  # why it did not come back

    @property
    def problem(self) -> str | None:
        """What should have happened and did not; None when all did."""
        if self.at_record is None:
            return "gold was not killed: it had nothing to do, or the recordings were over"
        if self.back_after_s is None:
            return f"gold, killed at record {self.at_record:,}, did not come back{self.ended and f': {self.ended}'}"
        return None


@dataclass
class Faults:
    """Every fault of a run, and what became of it; without faults, a calm run."""

    drops: list[DropOutcome] = field(default_factory=list)
    kill: GoldKill | None = None

    @property
    def problems(self) -> list[str]:
        """Everything that should have happened and did not."""
        found = [drop.problem for drop in self.drops] + ([self.kill.problem] if self.kill else [])
        return [problem for problem in found if problem]

    def as_json(self) -> dict[str, object]:
        """The faults as the report has them: counts, seconds or null, and what is wrong."""
        kill = self.kill or GoldKill()
        return {
            "dropped_ids": sum(drop.struck for drop in self.drops),
            "gaps_recorded": sum(drop.recorded_after_s is not None for drop in self.drops),
            "gaps_filled": sum(drop.filled_after_s is not None for drop in self.drops),
            "filled_after_s": max((drop.filled_after_s for drop in self.drops if drop.filled_after_s), default=None),
            "gold_killed": int(kill.at_record is not None),
            "gold_killed_at_record": kill.at_record,
            "back_after_s": kill.back_after_s,
            "problems": self.problems,
        }

    def told(self, lost: int, doubled: int) -> Iterator[str]:
        """A line for each fault that ended well; ``lost`` and ``doubled`` are counts of gold's trades."""
        for drop in self.drops:
            if drop.problem is None:
                yield (
                    f"{drop.dropped}: gap recorded after {drop.recorded_after_s} s, "
                    f"filled by REST after {drop.filled_after_s} s"
                )
        if self.kill and self.kill.problem is None:
            yield (
                f"gold killed (-9) at record {self.kill.at_record:,}, back after {self.kill.back_after_s} s, "
                f"doubled {doubled}, lost {lost}"
            )
