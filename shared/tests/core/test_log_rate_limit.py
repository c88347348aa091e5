"""What a library says again and again is said a few times, and counted."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from shared.tests.feed.hand_feed import Clock

from k2_shared.core.log_rate_limit import HELD_BACK, LogRateLimit
from k2_shared.core.logs import configure_logs


def line(name: str = "aiokafka.client", level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, "Unable connect to node %s", (1,), None)


def test_a_few_lines_of_a_logger_pass_in_a_minute_and_the_next_says_how_many_did_not() -> None:
    """Nothing is said of the others one by one, and nothing is lost of their number."""
    clock = Clock()
    limit = LogRateLimit(lines=2, window_s=60, clock=clock)
    assert [limit.filter(line()) for _ in range(5)] == [True, True, False, False, False]
    clock.now += 61
    first, second = line(), line()
    assert limit.filter(first)
    assert limit.filter(second)
    assert getattr(first, HELD_BACK) == 3
    assert not hasattr(second, HELD_BACK)


def test_loggers_and_levels_are_counted_apart() -> None:
    """One that repeats itself hides no other, and no worse line of its own."""
    limit = LogRateLimit(lines=1, clock=Clock())
    others = [line("faust"), line(level=logging.ERROR)]
    assert [limit.filter(each) for each in (line(), line(), *others)] == [True, False, True, True]


def test_names_without_end_share_one_count() -> None:
    """Memory is bounded, and so is the log."""
    limit = LogRateLimit(lines=1, clock=Clock())
    passed = sum(limit.filter(line(f"made.up.{number}")) for number in range(3_000))
    assert passed == 1_001


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a configured process writes to stdout."""
    handlers, level = logging.root.handlers[:], logging.root.level
    monkeypatch.setattr(sys, "stdout", written := io.StringIO())
    configure_logs("toy", "INFO")
    yield written
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_process_logs_little_of_what_a_client_repeats(said: io.StringIO) -> None:
    """A thousand failures of a client that retries are a few warnings: what ends an agent, the agent says itself."""
    for _ in range(1_000):
        logging.getLogger("aiokafka.client").error("Unable connect to node with id 1")
    lines = [json.loads(each) for each in said.getvalue().splitlines()]
    assert len(lines) == 5
    assert {each["level"] for each in lines} == {"warning"}
    assert {each["service"] for each in lines} == {"toy"}


def test_an_error_of_any_other_library_is_one(said: io.StringIO) -> None:
    """Only of clients that retry it is known that their errors are not the end."""
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert json.loads(said.getvalue())["level"] == "error"
