"""Fills gaps by REST: what was missing is published, and what REST cannot give is said to be unfillable."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from k2_shared.errors import Unavailable
from k2_shared.feed.backoff import Backoff
from k2_shared.feed.coverage import Gap
from k2_shared.feed.ledger import now_us
from k2_shared.feed.rest import Page
from k2_shared.trade import Trade

_REST_OFF_US = 1  # how far a trade's time by REST may be from the socket's


class History(Protocol):
    """A venue's past."""

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        """Trades from an id on, or from a little before, and the answer's bytes. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a page says of a gap: the trades that were missing, the ids that REST does not have, and the rest."""

    found: Sequence[Trade]
    absent: Sequence[tuple[int, int]]
    rest_from: int  # the first id that the page says nothing of


def judge(gap: Gap, page: Page) -> Judged:
    """Hold a page against a gap; ids between two of the page's ids, or before its first, are not there."""
    if not page.trades:
        return Judged((), (), gap.first)
    found = [trade for trade in page.trades if gap.first <= trade.trade_id <= gap.last]
    end = min(gap.last, page.trades[-1].trade_id)
    absent, expected = [], gap.first
    for trade_id in [*(trade.trade_id for trade in found), end + 1]:
        if trade_id > expected:
            absent.append((expected, trade_id - 1))
        expected = trade_id + 1
    return Judged(found, absent, max(gap.first, end + 1))


@dataclass
class Attempt:
    """How far the filling of one symbol's gaps has come."""

    backoff: Backoff
    cursor: str = ""
    at: int = 0  # the id that the cursor is for
    due: float = 0.0


@dataclass
class Filler:
    """Works on one gap after another; ``patience_s`` is how long REST may lag behind the sockets."""

    history: History
    patience_s: float
    base_s: float
    cap_s: float
    _attempts: dict[str, Attempt] = field(default_factory=dict)

    def due(self, symbol: str) -> bool:
        """Whether a symbol's gaps may be asked for again."""
        return time.monotonic() >= self._attempt(symbol).due

    async def step(self, symbol: str, gap: Gap, since_us: int = 0) -> tuple[Judged, bytes]:
        """Ask once; what REST does not have yet is asked for again later, or given up.

        Trades from before ``since_us``, the exchange's time, are of another numbering.

        Raises:
            Unavailable: REST did not answer; nothing is given up for that.
        """
        attempt = self._attempt(symbol)
        if attempt.at != gap.first:
            attempt.cursor = ""
        try:
            page, answer = await self.history.page(symbol, gap.first, gap.after_us, attempt.cursor)
        except Unavailable:
            self._later(attempt)
            raise
        page = Page([trade for trade in page.trades if trade.timestamp >= since_us - _REST_OFF_US], page.cursor)
        judged = judge(gap, page)
        if judged.rest_from > gap.first or page.cursor not in ("", attempt.cursor):
            if judged.rest_from > gap.first:
                attempt.backoff.succeeded()
            attempt.cursor, attempt.at, attempt.due = page.cursor, judged.rest_from, 0.0
            return judged, answer
        self._later(attempt)
        if now_us() - gap.opened_at < self.patience_s * 1e6:
            return judged, answer
        return Judged((), [(gap.first, gap.last)], gap.last + 1), answer

    def _attempt(self, symbol: str) -> Attempt:
        return self._attempts.setdefault(symbol, Attempt(Backoff(self.base_s, self.cap_s)))

    def _later(self, attempt: Attempt) -> None:
        attempt.cursor = ""
        attempt.due = time.monotonic() + attempt.backoff.next_delay()
