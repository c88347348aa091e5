"""What of candles can be compared: what both the lake and ClickHouse have, and no open window. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyiceberg.table.metadata import TableMetadata

from k2.candles.wanted import FIRST, Wanted
from k2_shared.batch.candles import WindowRange
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.times import iso
from k2_shared.lake.history import ancestors, nearest_state, properties
from k2_shared.lake.sink_state import SinkState, agreed

_US = timedelta(microseconds=1)
_DAY = timedelta(days=1)

Ends = Mapping[int, int]
"""By partition of gold, an offset: all trades before it are meant."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A snapshot of gold's table, when it was made (ms), and up to where it has each partition."""

    snapshot_id: int
    made_ms: int
    ends: Ends

    def to_json(self) -> dict[str, Any]:
        """It as the report has it."""
        offsets = {str(partition): end for partition, end in sorted(self.ends.items())}
        return {"snapshot": self.snapshot_id, "made": iso(self.made_ms * 1_000), "gold_offsets": offsets}


def history(metadata: TableMetadata, sink_id: str, topic: str) -> list[Filled]:
    """The snapshots of gold's table from the newest back, as far as they say what they have.

    The newest may be of a maintenance that moved rows: it has what the sink's last one had.

    Raises:
        Halt: the table was rolled back, or what it says of itself is damaged.
    """
    newest = agreed(nearest_state(metadata, sink_id), SinkState.from_properties(dict(metadata.properties), sink_id))
    found = list(ancestors(metadata, metadata.current_snapshot_id))
    states = [newest, *(SinkState.from_properties(properties(each), sink_id) for each in found[1:])]
    told = zip(found, states, strict=False)  # without a snapshot there is nothing to say
    return [Filled(each.snapshot_id, each.timestamp_ms, _ends(state, topic)) for each, state in told if state]


def _ends(state: SinkState, topic: str) -> Ends:
    return {partition: end for (of, partition), end in state.offsets.items() if of == topic}


def common(filled: Iterable[Filled], unfolded: Ends) -> Filled | None:
    """The newest snapshot of which every trade is in a candle; ``unfolded`` are the first that are in none."""
    return next((each for each in filled if _has_no(each, unfolded)), None)


def _has_no(filled: Filled, unfolded: Ends) -> bool:
    return all(filled.ends.get(partition, 0) <= first for partition, first in unfolded.items())


def ranges(wanted: Wanted, horizon: Sequence[int], now_us: int) -> dict[str, WindowRange]:
    """By timeframe, which windows are compared: those that are asked for, have ended, and whose candle none expired.

    ``horizon`` is by the place of a timeframe: of a window that began before it the candle may have been deleted.
    """
    first, end = ((day - FIRST) // _US for day in (wanted.first, wanted.last + _DAY))
    return {
        each.name: WindowRange(
            _up(max(first, horizon[place]), each.width_us), min(end, now_us // each.width_us * each.width_us)
        )
        for place, each in enumerate(TIMEFRAMES)
    }


def _up(at_us: int, width_us: int) -> int:
    """The first begin of a window at a time or after it."""
    return -(-at_us // width_us) * width_us
