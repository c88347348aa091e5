"""Attempts at a table: bounded, told of, and ended by a stop."""

import threading
from itertools import count

import pytest
from pyiceberg.exceptions import CommitFailedException, ServiceUnavailableError
from requests.exceptions import ConnectionError as NoConnection

from k2_shared.core import retries
from k2_shared.core.retries import Interrupted, RetryBudget, UsedUp, reason
from k2_shared.lake.retries import at_table, is_store


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were to be made; none is."""
    made: list[float] = []
    real = retries.pause_s

    def note(attempt: int) -> float:
        made.append(real(attempt))
        return 0.0

    monkeypatch.setattr(retries, "pause_s", note)
    return made


def failing(*errors: Exception, told: list[Exception] | None = None) -> tuple[RetryBudget, list[Exception]]:
    """Four attempts; what fails in them, and what was told of it."""
    heard: list[Exception] = [] if told is None else told
    return at_table(4, heard.append), list(errors)


def test_work_is_repeated_until_it_succeeds(pauses: list[float]) -> None:
    """Each failure is told; the trouble is what failed last, and over with the success."""
    heard: list[Exception] = []
    spent, left = failing(OSError("503"), ServiceUnavailableError("busy"), told=heard)
    troubles = []

    def work() -> str:
        troubles.append(spent.trouble)
        if left:
            raise left.pop(0)
        return "done"

    assert spent.spend(work) == "done"
    assert [str(error) for error in heard] == ["503", "busy"]
    assert troubles[0] is None
    assert troubles[2] == "attempt 2 of 4 failed (ServiceUnavailableError: busy)"
    assert spent.trouble is None
    assert len(pauses) == 2


def test_a_conflict_is_an_attempt_and_no_failure(pauses: list[float]) -> None:
    """Another owner was faster: nobody is told, and the attempts are as bounded."""
    heard: list[Exception] = []
    spent, _ = failing(told=heard)
    tried = count()

    def work() -> None:
        next(tried)
        raise CommitFailedException("behind")

    with pytest.raises(UsedUp) as used_up:
        spent.spend(work)
    assert isinstance(used_up.value.last, CommitFailedException)
    assert (next(tried), heard, spent.trouble, len(pauses)) == (4, [], None, 3)


def test_what_is_no_failure_of_a_peer_goes_up_at_once(pauses: list[float]) -> None:
    """A fault of the code is not tried again."""
    spent, _ = failing()

    def work() -> None:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        spent.spend(work)
    assert pauses == []


def test_a_stop_ends_the_pause_and_the_attempts() -> None:
    """The attempt under way may still succeed; after a failure there is no other."""
    spent = at_table(1_000)
    began = threading.Event()

    def work() -> None:
        began.set()
        raise OSError("away")

    def stop() -> None:
        began.wait(30)
        spent.interrupt()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Interrupted):
        spent.spend(work)
    stopper.join()
    assert spent.spend(lambda: "the last one") == "the last one"


def test_pauses_grow_and_have_a_ceiling() -> None:
    """From 50 ms on, never beyond 10 s, however many there are."""
    assert all(0.05 <= retries.pause_s(1) <= 0.1 for _ in range(100))
    assert all(5.0 <= retries.pause_s(attempt) <= 10.0 for attempt in (8, 100, 1_000))


def test_a_failure_names_its_peer_in_one_line() -> None:
    """The catalog is spoken to by requests, whose errors are OSErrors too."""
    assert is_store(OSError("AWS Error"))
    assert not is_store(NoConnection("refused"))
    assert not is_store(ServiceUnavailableError("busy"))
    assert reason(OSError("two\nlines")) == "OSError: two lines"
    assert len(reason(OSError("x" * 1_000))) == 301
