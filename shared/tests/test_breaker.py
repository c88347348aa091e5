"""When an agent halts instead of draining a bad deploy into the dead letters."""

import pytest

from k2_shared.breaker import Threshold, Tripped, Window


def window(records: int = 10, share: float = 0.5) -> Window:
    return Window(Threshold(records, share))


def test_a_share_is_judged_over_enough_records_alone() -> None:
    """Nine bad records of nine are too few to judge; with the tenth they trip."""
    judged = window()
    judged.judge(9, 9)
    with pytest.raises(Tripped, match="9 of the last 10 records were refused"):
        judged.judge(1, 0)


def test_the_share_must_be_exceeded() -> None:
    """Half of them, with a limit of a half, is allowed."""
    judged = window()
    for _ in range(100):
        judged.judge(4, 2)


def test_only_the_newest_count() -> None:
    """A long good past does not hide a bad present, and a bad past is forgotten."""
    judged = window()
    judged.judge(1_000_000, 0)
    with pytest.raises(Tripped, match="10 of the last 10"):
        judged.judge(10, 10)
    judged = window()
    judged.judge(5, 5)
    judged.judge(100, 0)
    judged.judge(5, 5)


def test_after_a_pardon_one_batch_passes_and_counting_starts_anew() -> None:
    """An operator's word holds for what tripped, and not for ever."""
    judged = window()
    judged.judge(5, 5)
    judged.pardon()
    judged.judge(50, 50)
    judged.judge(9, 9)
    with pytest.raises(Tripped):
        judged.judge(1, 1)
