"""Asks REST for what gaps miss: what a page says of the ids that it covers, and how long REST may lag."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from k2_shared.core.backoff import Backoff
from k2_shared.core.errors import Unavailable
from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.coverage import Gap
from k2_shared.feed.venue.rest import Page

_REST_OFF_US = 1  # how far a trade's time by REST may be from the socket's


class History(Protocol):
    """Asks a venue for its past trades."""

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        """Trades from an id on, or from a little before, and the answer's bytes. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class PageFindings:
    """A range of ids of which all is known: these trades are there, and no others; an empty range says nothing.

    Of gaps that were opened after ``opened_by``, by the wall clock in µs, it says nothing either.
    """

    trades: Sequence[Trade]
    first: int
    last: int
    opened_by: int


def judge(asked_from: int, page: Page, opened_by: int) -> PageFindings:
    """What a page says that was asked for from an id on, whichever gaps there are.

    Ids between two of the page's ids are not there, nor are those from the asked one to its first; of what comes after
    its last id it says nothing.
    """
    if not page.trades:
        return PageFindings((), asked_from, asked_from - 1, opened_by)
    return PageFindings(page.trades, min(asked_from, page.trades[0].trade_id), page.trades[-1].trade_id, opened_by)


@dataclass
class Attempt:
    """How far the filling of one symbol's gaps has come; times are the clock's."""

    backoff: Backoff
    cursor: str = ""
    at: int = 0  # the id that is asked for, to which all else belongs
    due: float = 0.0
    answered: float | None = None  # when REST last answered and did not show it; None where it failed since
    waited_s: float = 0.0  # between such answers
    opened_by: int = 0  # of the first of them: each could have shown what was missing by then, as all above it

    def turn(self, first_id: int, cursor: str = "") -> None:
        """Begin to ask for another id."""
        self.at, self.cursor = first_id, cursor
        self.answered, self.waited_s, self.opened_by = None, 0.0, 0

    def lacked(self, now: float, opened_by: int) -> None:
        """REST answered without the id; the time since its last such answer counts where it did not fail meanwhile."""
        if self.answered is not None:
            self.waited_s += now - self.answered
        self.answered = now
        self.opened_by = self.opened_by or opened_by


@dataclass
class GapFiller:
    """Works on one gap after another.

    ``patience_s`` is for how long REST may answer without showing an id: counted from its first answer that could have
    shown it, without the time in which it did not answer, and anew after a restart. ``clock`` is in seconds.
    """

    history: History
    patience_s: float
    base_s: float
    cap_s: float
    clock: Callable[[], float]
    _attempts: dict[str, Attempt] = field(default_factory=dict)

    def due(self, symbol: str) -> bool:
        """Whether a symbol's gaps may be asked for again."""
        return self.clock() >= self._attempt(symbol).due

    async def step(self, symbol: str, gap: Gap, opened_by: int, since_us: int = 0) -> tuple[PageFindings, bytes]:
        """Ask once; what REST does not have yet is asked for again later, or given up.

        An answer may be older than gaps that were opened after ``opened_by``, the wall clock in µs. Trades from before
        ``since_us``, the exchange's time, are of another numbering.

        Raises:
            Unavailable: REST did not answer; nothing is given up for that.
        """
        attempt = self._attempt(symbol)
        if attempt.at != gap.first:
            attempt.turn(gap.first)
        try:
            page, answer = await self.history.page(symbol, gap.first, gap.after_us, attempt.cursor)
        except Unavailable:
            attempt.answered = None
            self._later(attempt)
            raise
        page = Page([trade for trade in page.trades if trade.timestamp >= since_us - _REST_OFF_US], page.cursor)
        return self._followed(attempt, judge(gap.first, page, opened_by), page.cursor), answer

    def _followed(self, attempt: Attempt, findings: PageFindings, cursor: str) -> PageFindings:
        """Choose the id or cursor to ask for next; returns the findings, or that the id is given up."""
        if findings.last >= attempt.at:
            attempt.backoff.succeeded()
            attempt.turn(findings.last + 1, cursor)
        elif cursor not in ("", attempt.cursor):
            attempt.cursor = cursor
        else:
            attempt.lacked(self.clock(), findings.opened_by)
            self._later(attempt)
            is_over = attempt.waited_s >= self.patience_s
            return PageFindings((), attempt.at, sys.maxsize, attempt.opened_by) if is_over else findings
        attempt.due = 0.0
        return findings

    def _attempt(self, symbol: str) -> Attempt:
        return self._attempts.setdefault(symbol, Attempt(Backoff(self.base_s, self.cap_s)))

    def _later(self, attempt: Attempt) -> None:
        attempt.cursor = ""
        attempt.due = self.clock() + attempt.backoff.next_delay()
