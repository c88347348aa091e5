"""Waiting for a condition."""

import time

from k2_support.waiting import came_true


async def test_a_condition_that_takes_long_is_asked_seldom() -> None:
    """Whom it asks has most of the time for others: all but a fifth, if nothing else is slow here."""
    asked: list[float] = []

    def never() -> bool:
        began = time.monotonic()
        while time.monotonic() - began < 0.02:
            pass
        asked.append(time.monotonic() - began)
        return False

    began = time.monotonic()
    assert not await came_true(never, 1.0, 0.0)
    assert 2 * sum(asked) < time.monotonic() - began


async def test_what_comes_true_is_noticed() -> None:
    """Also if it is awaited, and at once if it holds already."""
    answers = iter([False, True])

    async def in_the_end() -> bool:
        return next(answers)

    assert await came_true(in_the_end, 60.0, 0.0)
    assert await came_true(lambda: True, 60.0, 60.0)
