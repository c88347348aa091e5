"""A log is read whole: no line is lost between its end and what is added, or when another file takes its place."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from k2_local.logs import follow, last, tail

pytestmark = pytest.mark.timeout(30)  # a line that is lost is waited for for ever

Lines = Iterator[tuple[str, str]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three lines."""
    path = tmp_path / "kafka.log"
    path.write_text("one\ntwo\nthree\n")
    return path


def _next(following: Lines, count: int) -> list[str]:
    return [line for _, line in islice(following, count)]


def _add(log: Path, text: str) -> None:
    with log.open("a") as growing:
        growing.write(text)


def test_what_is_written_after_the_last_lines_were_read_is_shown(log: Path) -> None:
    """A line that comes before the first look for more is among what was added."""
    following = follow({"kafka": log}, 2)
    assert _next(following, 2) == ["two", "three"]
    _add(log, "four\n")
    assert _next(following, 1) == ["four"]


def test_a_line_is_shown_once_it_is_whole(log: Path) -> None:
    """What stands unfinished at the beginning is shown whole, and once."""
    _add(log, "fo")
    following = follow({"kafka": log}, 1)
    assert _next(following, 1) == ["three"]
    _add(log, "ur\nfive\n")
    assert _next(following, 2) == ["four", "five"]


def test_a_log_that_is_set_aside_is_read_to_its_end_and_its_successor_from_the_beginning(log: Path) -> None:
    """Also where the successor is longer than what was read of the first."""
    following = follow({"kafka": log}, 1)
    assert _next(following, 1) == ["three"]
    _add(log, "four\nunfinished")
    log.replace(log.with_suffix(".old"))
    log.write_text("a longer line than all of the first log\nlast\n")
    assert _next(following, 4) == ["four", "unfinished", "a longer line than all of the first log", "last"]


def test_a_log_that_is_emptied_is_read_from_its_beginning(log: Path) -> None:
    """``: > kafka.log`` loses what comes after it no line."""
    following = follow({"kafka": log}, 1)
    assert _next(following, 1) == ["three"]
    log.write_text("new\n")
    assert _next(following, 1) == ["new"]


def test_a_log_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Every line of it, not its last ones alone; the other log is followed meanwhile."""
    first, later = tmp_path / "first.log", tmp_path / "later.log"
    first.write_text("here\n")
    following = follow({"first": first, "later": later}, 1)
    assert next(following) == ("first", "here")
    _add(first, "more\n")
    assert next(following) == ("first", "more")  # by now it has looked for the other one
    later.write_text("one\ntwo\nthree\n")
    assert list(islice(following, 3)) == [("later", "one"), ("later", "two"), ("later", "three")]


@pytest.mark.parametrize(("count", "shown"), [(0, []), (2, ["three", "cut"]), (9, ["one", "two", "three", "cut"])])
def test_the_last_lines_include_an_unfinished_one(log: Path, count: int, shown: list[str]) -> None:
    """A process that died in the middle of a word is quoted to that word."""
    _add(log, "cut")
    assert tail(log, count) == shown


def test_long_lines_are_shown_whole(log: Path) -> None:
    """However much one of them takes, the number of lines is the one asked for."""
    long = "x" * 300_000
    _add(log, f"{long}\nfive\n")
    assert tail(log, 3) == ["three", long, "five"]


def test_a_log_that_is_absent_has_no_lines(tmp_path: Path) -> None:
    """A part that has never started says nothing."""
    assert list(last({"kafka": tmp_path / "none"}, 5)) == []
