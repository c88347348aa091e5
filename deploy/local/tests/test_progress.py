"""What takes a while tells of itself: its beginning, that it goes on, and how long it took."""

import re
import sys

import pytest

from k2_local import progress
from k2_support.pseudo_terminal import on_terminal
from k2_support.waiting import wait_for


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was reported; it beats at once."""
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    return []


def test_a_step_goes_on_aloud_and_ends_with_its_time(said: list[str]) -> None:
    """The first line comes at once."""
    with progress.step("starting kafka", said.append):
        assert said[0] == "starting kafka"
        wait_for(lambda: "still starting kafka, 0 s" in said, 60, "a beat")
    assert re.fullmatch(r"starting kafka: done in \d+\.\d s", said[-1])


def test_a_step_that_fails_is_not_done(said: list[str]) -> None:
    """Nothing is said of it any more; who failed says why."""
    with pytest.raises(RuntimeError), progress.step("starting kafka", said.append):
        raise RuntimeError
    assert not [line for line in said if "done" in line]


def test_a_transfer_says_how_much_of_it_has_come(said: list[str]) -> None:
    """Also where not one more byte comes."""
    with progress.transfer("downloading Kafka", 40_000_000, said.append) as advance:
        assert said[0] == "downloading Kafka: 40 MB"
        advance(12_000_000)
        wait_for(lambda: "downloading Kafka: 12 of 40 MB, 0 s" in said, 60, "a beat")
    assert re.fullmatch(r"downloading Kafka: 40 MB in \d+\.\d s", said[-1])


LIVE = """
import sys
from k2_local.progress import chatter, step, transfer
say = lambda line: chatter().print(line)
with step("outer", say):
    say("between")
    with transfer("inner", 10, say) as advance:
        advance(10)
"""


def test_on_a_terminal_lines_stay_and_what_is_live_goes() -> None:
    """Also where one thing is live within another."""
    shown = on_terminal([sys.executable, "-c", LIVE], 80, {})
    lines = [re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", line).split("\r")[-1].strip() for line in shown.splitlines()]
    whole = [line for line in lines if re.fullmatch(r"between|inner: 0 MB in \S+ s|outer: done in \S+ s", line)]
    assert [line.split()[0] for line in whole] == ["between", "inner:", "outer:"]
