"""The retries of work at a table: a bounded number of attempts with pauses between them, which a stop ends."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError
from pyiceberg.exceptions import CommitFailedException, RESTError
from requests.exceptions import RequestException

from k2_shared.core import failures

T = TypeVar("T")

RETRYABLE = (*failures.RETRYABLE, RESTError, ValidationError, NotImplementedError)
"""What is retried at a table besides: the catalog refused, or gave an answer that is none.

What ``requests`` raises is an ``OSError``; the library takes an answer 501 for a ``NotImplementedError``.
"""

_FIRST_S, _CEILING_S = 0.05, 10.0
_LONGEST_REASON = 300


def _untold(_error: Exception) -> None:
    pass


class Interrupted(Exception):
    """The process is to stop, and the last attempt failed: there will be no other."""


class UsedUp(Exception):
    """The budget is spent: every attempt failed. Carries the last failure."""

    def __init__(self, last: Exception) -> None:
        super().__init__(str(last))
        self.last = last


class RetryBudget:
    """``attempts`` at a piece of work; ``failed`` is told of each that fails.

    The pauses double from 50 ms to 10 s, and each is cut by up to a half at random: twenty attempts take a minute and
    a half. A conflict with another owner counts as an attempt, but is no failure of anyone. ``trouble`` says what
    failed last, until something succeeds.
    """

    def __init__(self, attempts: int, failed: Callable[[Exception], None] = _untold) -> None:
        self.attempts = attempts
        self.trouble: str | None = None
        self._failed = failed
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
            except CommitFailedException as conflict:
                last: Exception = conflict
            except RETRYABLE as error:
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


def is_store(error: Exception) -> bool:
    """Whether a failure came from the object store; the catalog is spoken to by ``requests``."""
    return isinstance(error, OSError) and not isinstance(error, RequestException)


def reason(error: Exception) -> str:
    """A failure in one line of bounded length."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}…"
