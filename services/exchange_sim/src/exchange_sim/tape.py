"""The history of one instrument, as far as it has been played; the socket and REST both read it."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

from exchange_sim.faults import BREAKS
from exchange_sim.model import Dialect, Instrument, Recording, Trade


class Tape:
    """A recording that runs once, or for ever as if it were live.

    Trades are numbered from 0 over all laps. On a live tape trade ``i`` is a pure function of ``i`` and
    of the moments at which playback (re)started, so that a long run needs no memory for its past.
    """

    def __init__(self, recording: Recording, dialect: Dialect, live_offsets: Sequence[int] | None = None) -> None:
        self.instrument: Instrument = recording.instrument
        self._dialect = dialect
        self._live_offsets = live_offsets
        self._trades = recording.trades
        self._latest_ns = list(accumulate((trade.time_ns for trade in recording.trades), max))
        self._stride = recording.trades[-1].trade_id - recording.trades[0].trade_id + 1
        self._anchors: list[tuple[int, int]] = [(0, 0)]
        self._exposed = 0

    @property
    def lap_length(self) -> int:
        """Trades in one lap."""
        return len(self._trades)

    @property
    def price_decimals(self) -> int:
        """Decimals that the recorded prices use."""
        return max(len(trade.price.partition(".")[2].rstrip("0")) for trade in self._trades)

    @property
    def exposed(self) -> int:
        """How many trades the exchange has made public."""
        return self._exposed

    def expose(self, count: int) -> None:
        """The first ``count`` trades have happened."""
        self._exposed = max(self._exposed, count)

    def anchor(self, lap: int, origin_ns: int) -> None:
        """From the next trade on, ``lap`` began at ``origin_ns`` by the wall clock (live tapes)."""
        self._anchors.append((max(self._exposed, lap * self.lap_length), origin_ns))

    def trade(self, number: int) -> Trade:
        """Trade ``number``, as recorded or as if it were live."""
        lap, index = divmod(number, self.lap_length)
        recorded = self._trades[index]
        if self._live_offsets is None:
            return recorded
        time_ns = self._origin_ns(number) + self._live_offsets[index]
        return self._dialect.rewrite(
            replace(
                recorded,
                trade_id=recorded.trade_id + lap * self._stride,
                time_ns=time_ns,
                event_ns=time_ns + recorded.event_ns - recorded.time_ns,
            )
        )

    def _origin_ns(self, number: int) -> int:
        place = bisect_left(self._anchors, number + 1, key=lambda anchor: anchor[0]) - 1
        return self._anchors[place][1]

    def payload(self, numbers: range, broken: str | None) -> tuple[list[Trade], str]:
        """The trades of one frame, broken if so planned, and the frame."""
        trades = [self.trade(number) for number in numbers]
        if broken is not None:
            trades = [self._dialect.rewrite(BREAKS[broken](trade)) for trade in trades]
        return trades, self._dialect.frame(self.instrument, trades)

    def recent(self, count: int) -> list[Trade]:
        """The latest ``count`` trades, oldest first."""
        return [self.trade(number) for number in range(max(0, self._exposed - count), self._exposed)]

    def from_id(self, trade_id: int, count: int) -> list[Trade]:
        """At most ``count`` trades from ``trade_id`` on, oldest first."""
        return self._from(trade_id, count, lambda number: self.trade(number).trade_id)

    def since(self, time_ns: int, count: int) -> list[Trade]:
        """At most ``count`` trades of ``time_ns`` or later, oldest first."""
        return self._from(time_ns, count, self._latest_at)

    def _latest_at(self, number: int) -> int:
        if self._live_offsets is None:
            return self._latest_ns[number]  # a recording's times may step back, their maximum does not
        return self.trade(number).time_ns

    def _from(self, wanted: int, count: int, key: Callable[[int], int]) -> list[Trade]:
        first = bisect_left(range(self._exposed), wanted, key=key)
        return [self.trade(number) for number in range(first, min(first + count, self._exposed))]
