"""When frames are due."""

from itertools import pairwise

import pytest

from exchange_sim.model import Recording
from exchange_sim.pacing import MAX_PAUSE_BETWEEN_FILES_NS, offsets
from exchange_sim.playback import Pace


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


def test_held_clock_stands_still() -> None:
    """Time that passes while the feed is away is no playback time; the rest counts times the speed."""
    clock = Clock()
    pace = Pace(10.0, clock)
    clock.now_ns += 10
    pace.hold()
    clock.now_ns += 500
    pace.go_on()
    pace.go_on()
    clock.now_ns += 7
    assert (pace.elapsed_ns(), pace.position_ns()) == (17, 170.0)
    assert pace.until_s(1_170) == pytest.approx(100e-9)
    pace.restart()
    assert pace.elapsed_ns() == 0


def test_offsets_keep_the_recorded_spacing(recordings: list[Recording]) -> None:
    """Pauses are as recorded, and never negative."""
    checked = 0
    for recording in recordings:
        recorded = [trade.pace_ns for trade in recording.trades]
        found = offsets(recording)
        assert all(before <= after for before, after in pairwise(found))
        if len(set(recording.files)) == 1 and recorded == sorted(recorded):
            assert found == [at - recorded[0] for at in recorded]
            checked += 1
    assert checked, "no recording is one file in order"


def test_fit_squeezes_each_file_into_its_length(recordings: list[Recording]) -> None:
    """With fit every recording takes the same time for each of its files."""
    for recording in recordings:
        due = offsets(recording, 3.0)
        assert all(before <= after for before, after in pairwise(due))
        assert abs(due[-1] - 3e9 * len(set(recording.files))) < 1e3


def test_pause_between_files_is_cut(recordings: list[Recording]) -> None:
    """A file recorded a year later follows at once."""
    first, second = recordings[0].trades[0], recordings[0].trades[-1]
    two_files = Recording(recordings[0].instrument, (first, second), (0, 1))
    assert offsets(two_files)[-1] == min(second.pace_ns - first.pace_ns, MAX_PAUSE_BETWEEN_FILES_NS)
