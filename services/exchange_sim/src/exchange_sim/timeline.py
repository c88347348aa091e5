"""The ids and times of a replay's trades, in pieces that a fault, a lap or a pause begins. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from exchange_sim.model import Trade

_MICRO_NS = 1_000
_MICROS_PER_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Trades from number ``first`` to the next piece; numbers count all trades from 0, over all laps."""

    first: int
    origin_ns: int = 0  # when the lap began, by the wall clock (live replays)
    inserted: int = 0  # trades that bursts put in before: the place in the recording is the number less these
    id_shift: int = 0
    shift_ns: int = 0  # by how much the exchange's clock is wrong
    floor_ns: int = 0  # the order of the trade before, where the clock stepped back
    burst: int = 0  # size of a burst: its trades share the millisecond of origin_ns


class Timeline:
    """The id, the time and the order of every trade of a replay, each a pure function of its number."""

    def __init__(self, trades: Sequence[Trade], live_offsets: Sequence[int] | None) -> None:
        self._ids = [trade.trade_id - trades[0].trade_id for trade in trades]
        self._base = trades[0].trade_id
        self._times = live_offsets if live_offsets is not None else [trade.time_ns for trade in trades]
        self._latest = list(accumulate(self._times, max))  # a recording's times may step back
        self._length = len(trades)
        self._stride = self._ids[-1] + 1
        self._pieces = [Piece(0)]
        self._firsts = [0]
        self.id_starts = [0]  # the numbers at which ids began anew

    @property
    def changed(self) -> bool:
        """Whether ids or times differ from the recording's."""
        return len(self._pieces) > 1

    @property
    def now(self) -> Piece:
        """The latest piece."""
        return self._pieces[-1]

    def at(self, number: int) -> Piece:
        """The piece of a trade."""
        if number >= self._firsts[-1]:
            return self._pieces[-1]
        return self._pieces[max(0, bisect_right(self._firsts, number) - 1)]

    def place(self, number: int) -> tuple[int, int]:
        """The lap and the index in the recording that a trade comes from."""
        return divmod(number - self.at(number).inserted, self._length)

    def number(self, position: int) -> int:
        """The number of the trade at ``position``, counted over laps without inserted trades."""
        for piece in reversed(self._pieces):
            if not piece.burst and (position >= piece.first - piece.inserted or not piece.inserted):
                return position + piece.inserted
        return position

    def trade_id(self, number: int) -> int:
        """The exchange's id of a trade."""
        piece = self.at(number)
        if piece.burst:
            return piece.id_shift + number - piece.first
        lap, index = divmod(number - piece.inserted, self._length)
        return self._base + self._ids[index] + lap * self._stride + piece.id_shift

    def find(self, trade_id: int, start: int, stop: int) -> int | None:
        """The number of the trade of an id, among numbers without a reset between them."""
        number = start + bisect_left(range(start, stop), trade_id, key=self.trade_id)
        return number if number < stop and self.trade_id(number) == trade_id else None

    def time_ns(self, number: int) -> int:
        """The exchange's time of a trade."""
        piece = self.at(number)
        if piece.burst:
            micros = (number - piece.first) * _MICROS_PER_MILLI // piece.burst
            return piece.origin_ns + micros * _MICRO_NS + piece.shift_ns
        return piece.origin_ns + self._times[(number - piece.inserted) % self._length] + piece.shift_ns

    def order_ns(self, number: int) -> int:
        """The exchange's time, but never less than that of a trade before: what REST pages by."""
        piece = self.at(number)
        if piece.burst:
            latest_ns = self.time_ns(number)
        else:
            latest_ns = piece.origin_ns + self._latest[(number - piece.inserted) % self._length] + piece.shift_ns
        return max(latest_ns, piece.floor_ns + 1 + number - piece.first) if piece.floor_ns else latest_ns

    def restart(self, number: int, origin_ns: int) -> None:
        """From ``number`` on, the lap began at ``origin_ns``."""
        self._begin(replace(self.now, first=number, origin_ns=origin_ns, floor_ns=0))

    def reset_ids(self, number: int) -> None:
        """From ``number`` on, ids start anew at 1."""
        now = replace(self.now, first=number)
        self._begin(replace(now, id_shift=now.id_shift + 1 - self.trade_id(number)))
        self.id_starts.append(number)

    def shift_clock(self, number: int, shift_ns: int) -> None:
        """From ``number`` on, the exchange's clock is wrong by ``shift_ns``."""
        self._begin(replace(self.now, first=number, shift_ns=shift_ns, floor_ns=0))

    def insert(self, number: int, count: int, at_ns: int) -> None:
        """Trades that no recording has: ``count`` of them from ``number`` on, in the millisecond of ``at_ns``."""
        before, first_id = self.now, self.trade_id(number)
        burst = replace(before, first=number, origin_ns=at_ns, id_shift=first_id, burst=count, floor_ns=0)
        self._begin(burst)
        after = replace(before, first=number + count, inserted=before.inserted + count, floor_ns=0)
        self._begin(replace(after, id_shift=before.id_shift + count))

    def _begin(self, piece: Piece) -> None:
        before = self.order_ns(piece.first - 1) if piece.first else 0
        self._pieces.append(piece)
        self._firsts.append(piece.first)
        if self.order_ns(piece.first) < before:
            self._pieces[-1] = replace(piece, floor_ns=before)
