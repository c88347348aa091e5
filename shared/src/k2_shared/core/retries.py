"""The retries of work at a peer: a bounded number of attempts with pauses between them, which a stop ends."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from k2_shared.core.failures import RETRYABLE

T = TypeVar("T")

_FIRST_S, _CEILING_S = 0.05, 10.0
_LONGEST_REASON = 300


def untold(_error: Exception) -> None:
    """Tell nobody of a failure."""


class Interrupted(Exception):
    """The process is to stop, and the last attempt failed: there will be no other."""


class UsedUp(Exception):
    """The budget is spent: every attempt failed. Carries the last failure."""

    def __init__(self, last: Exception) -> None:
        super().__init__(str(last))
        self.last = last


class RetryBudget:
    """``attempts`` at a piece of work; ``failed`` is told of each that fails.

    Tried again is what is ``retryable``, and what is ``contended``: a conflict with another owner counts as an attempt,
    but is no failure of anyone. The pauses double from 50 ms to 10 s, and each is cut by up to a half at random: twenty
    attempts take a minute and a half. ``trouble`` says what failed last, until something succeeds.
    """

    def __init__(
        self,
        attempts: int,
        failed: Callable[[Exception], None] = untold,
        retryable: tuple[type[Exception], ...] = RETRYABLE,
        contended: tuple[type[Exception], ...] = (),
    ) -> None:
        self.attempts = attempts
        self.trouble: str | None = None
        self._failed = failed
        self._retryable, self._contended = retryable, contended
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Make no other attempt once the one that is under way has failed."""
        self._interrupted.set()

    def spend(self, work: Callable[[], T]) -> T:
        """Do the work, again and again where it fails. Blocks, between attempts too.

        Raises:
            UsedUp: all attempts failed.
            Interrupted: attempts failed until there was to be no other.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                done = work()
            except self._contended as conflict:
                last: Exception = conflict
            except self._retryable as error:
                last = error
                self._note(attempt, error)
            else:
                self.trouble = None
                return done
            if attempt < self.attempts and self._interrupted.wait(pause_s(attempt)):
                raise Interrupted
        raise UsedUp(last)

    def _note(self, attempt: int, error: Exception) -> None:
        self.trouble = f"attempt {attempt} of {self.attempts} failed ({reason(error)})"
        self._failed(error)


def pause_s(attempt: int) -> float:
    """How long to wait after a failed attempt, in seconds; attempts count from 1."""
    longest = min(_CEILING_S, _FIRST_S * 2.0 ** min(attempt, 30))
    return random.uniform(longest / 2, longest)  # noqa: S311  # spreads owners that met


def reason(error: Exception) -> str:
    """A failure in one line of bounded length."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}…"
