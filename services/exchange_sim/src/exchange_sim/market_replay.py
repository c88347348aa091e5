"""The replay of one market's recording: which trades have happened so far; sockets and REST read it."""

import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from exchange_sim.faults import BREAKS
from exchange_sim.model import Dialect, Instrument, Recording, Trade
from exchange_sim.timeline import Timeline

MARK_NS = 50_000_000  # how often the time of exposure is sampled
MILLI_NS = 1_000_000
MARKS = 4_000  # samples kept: 200 s at least


class MarketReplay:
    """A recording that runs once, or for ever as if it were live.

    Trades are numbered from 0 over all laps. Trade ``i`` is a pure function of ``i``, of the moments at which
    playback (re)started and of the faults that struck the replay, so that a long run needs no memory for its past.
    """

    def __init__(
        self,
        recording: Recording,
        dialect: Dialect,
        live_offsets: Sequence[int] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.instrument: Instrument = recording.instrument
        self.dialect = dialect
        self.timeline = Timeline(recording.trades, live_offsets)
        self.live = live_offsets is not None
        self.rest_hides: dict[int, str] = {}  # numbers that REST never shows, and the fault that hides each
        self.unheard: set[int] = set()  # numbers that no socket ever carries
        self._trades = recording.trades
        self._quantities: dict[int, str] = {}
        self._exposed = 0
        self._clock = clock
        self._exposed_ns = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS)
        self._awaited: list[tuple[int, Callable[[], None]]] = []

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

    @property
    def altered(self) -> bool:
        """Whether its trades differ from the recording."""
        return self.live or self.timeline.changed or bool(self._quantities)

    def expose(self, count: int) -> None:
        """Mark the first ``count`` trades as having happened."""
        if count <= self._exposed:
            return
        now_ns = self._exposed_ns = self._clock()
        if not self._marks or now_ns - self._marks[-1][0] >= MARK_NS:
            self._marks.append((now_ns, self._exposed))
        self._exposed = count
        if self._awaited:
            self._notify()

    def exposed_before(self, age_ns: int) -> int:
        """How many trades were public ``age_ns`` ago, rounded down."""
        limit = self._clock() - age_ns
        if self._exposed_ns <= limit:
            return self._exposed
        known = (count for at_ns, count in reversed(self._marks) if at_ns <= limit)
        return next(known, 0)

    def when_exposed(self, number: int, told: Callable[[], None]) -> None:
        """Call ``told`` once trade ``number`` has happened."""
        self._awaited.append((number, told))

    def _notify(self) -> None:
        due = [told for number, told in self._awaited if number < self._exposed]
        self._awaited = [each for each in self._awaited if each[0] >= self._exposed]
        for told in due:
            told()

    def anchor(self, lap: int, origin_ns: int) -> None:
        """Set when ``lap`` began, ns since 1970, for the trades still to come; of live replays only."""
        if self.live:
            self.timeline.restart(max(self._exposed, self.timeline.number(lap * self.lap_length)), origin_ns)

    def numbers(self, lap: int, indexes: range) -> range:
        """The numbers of trades by their lap and their places in the recording."""
        first = self.timeline.number(lap * self.lap_length + indexes.start)
        return range(first, first + len(indexes))

    def overflow(self, numbers: range, quantity: str) -> None:
        """Set the quantity of these trades, for sockets and REST alike."""
        self._quantities.update(dict.fromkeys(numbers, quantity))

    def burst(self, count: int) -> range:
        """Let ``count`` trades that no recording has happen in this millisecond; returns their numbers."""
        first, shift_ns = self._exposed, self.timeline.now.shift_ns
        wall_ns = time.time_ns() + shift_ns if self.live else self.timeline.order_ns(max(0, first - 1))
        self.timeline.insert(first, count, wall_ns // MILLI_NS * MILLI_NS - shift_ns)
        self.expose(first + count)
        return range(first, first + count)

    def trade(self, number: int) -> Trade:
        """Trade ``number``, as recorded or as if it were live."""
        recorded = self._trades[self.timeline.place(number)[1]]
        if not self.altered:
            return recorded
        time_ns = self.timeline.time_ns(number)
        return self.dialect.rewrite(
            replace(
                recorded,
                trade_id=self.timeline.trade_id(number),
                qty=self._quantities.get(number, recorded.qty) if self._quantities else recorded.qty,
                time_ns=time_ns,
                event_ns=time_ns + recorded.event_ns - recorded.time_ns,
            )
        )

    def payload(self, numbers: Sequence[int], broken: str | None) -> tuple[list[Trade], str]:
        """The trades of one frame, broken in the way that ``broken`` names, and the frame."""
        trades = [self.trade(number) for number in numbers]
        if broken is not None:
            trades = [self.dialect.rewrite(BREAKS[broken](trade)) for trade in trades]
        return trades, self.dialect.frame(self.instrument, trades)

    def recent(self, count: int) -> list[Trade]:
        """The latest ``count`` trades that sockets may carry, oldest first."""
        return [self.trade(number) for number in latest(count, self._exposed, self.unheard)]


def latest(count: int, end: int, without: Container[int]) -> list[int]:
    """The last ``count`` numbers below ``end`` that are not in ``without``, ascending."""
    found: list[int] = []
    number = end
    while number and len(found) < count:
        number -= 1
        if number not in without:
            found.append(number)
    return found[::-1]
