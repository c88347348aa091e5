"""What becomes of each letter of a replay: sent, left, or not to be sent; pure."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from services.k2.tests.dead_letters import KRAKEN, again, found, histories, letter_id, refused

from k2.dlq.changes import own_version
from k2.dlq.history import Histories
from k2.dlq.letter import Letter
from k2.dlq.replay import Counts, Fate, Order, Parcel, Skipped, replay
from k2.dlq.replays import Replay
from k2.dlq.transform import Transform
from k2_shared.core.errors import ConfigError


async def replayed(
    batches: list[list[Letter]], order: Order, known: Histories | None = None
) -> tuple[Counts, list[Fate]]:
    """Replay into a list."""
    fates: list[Fate] = []

    async def deliver(some: Sequence[Fate]) -> None:
        fates.extend(some)

    async def given() -> AsyncGenerator[Sequence[Letter]]:
        for batch in batches:
            yield batch

    try:
        return await replay(given(), known or histories(), order, deliver), fates
    except ConfigError as error:
        raise ConfigError(f"{error} / {len(fates)}") from error


def places(fates: Sequence[Fate]) -> list[str]:
    """Where the letters lie that are sent."""
    return [str(fate.place) for fate in fates if isinstance(fate, Parcel)]


async def test_every_selected_letter_is_sent_skipped_or_refused() -> None:
    """The counts add up, and each that stays says why."""
    sound = found(refused(), 1)
    left, lost = found(refused(), 2), replace(found(refused(), 3), topic="nothing")
    transform = Transform(Path("t.py"), lambda letter: None if letter is left else letter)
    counts, fates = await replayed([[sound, left], [lost]], Order(transform))
    assert (counts.selected, counts.sent, counts.skipped_by_transform, dict(counts.refused)) == (
        3,
        1,
        1,
        {"topic_not_read": 1},
    )
    assert places(fates) == ["3:1"]
    assert [fate.why for fate in fates if isinstance(fate, Skipped)] == ["transform", "topic_not_read"]
    assert "letter 3:3: no stage reads 'nothing'" in counts.refusals["topic_not_read"]
    assert not counts.all_refused
    assert (await replayed([[lost]], Order()))[0].all_refused


async def test_a_letter_is_replayed_once_and_again_only_where_that_is_ordered() -> None:
    """Whether it was refused since or not; the next attempt is one more than all that are known."""
    first, other = found(refused(), 5), found(refused(), 6)
    known = histories(first, again(first, letter_id(5), 1, 8))
    known.note(letter_id(5), Replay(at=1_762_795_434_000_000, attempt=2, to=KRAKEN, transform="repair.py"))
    known.note(letter_id(6), Replay(at=1_762_795_434_000_000, attempt=2, to=KRAKEN))
    counts, fates = await replayed([[first, other]], Order(), known)
    assert (counts.replayed_before, counts.sent, counts.all_refused) == (2, 0, False)
    assert [str(fate) for fate in fates] == [
        "3:5 is skipped: replayed by repair.py 2025-11-10T17:23:54.000+00:00 as attempt 2, refused again at 3:8",
        "3:6 is skipped: replayed 2025-11-10T17:23:54.000+00:00 as attempt 2, not refused since",
    ]
    assert [fate.shown()["skipped"] for fate in fates] == ["refused_again", "replayed"]
    counts, fates = await replayed([[first, other]], Order(again=True), known)
    assert [fate.shown()["attempt"] for fate in fates] == [3, 3]
    assert [fate.letter for fate in fates if isinstance(fate, Parcel)] == [letter_id(5), letter_id(6)]


async def test_a_limit_counts_what_is_sent() -> None:
    """So the next replay with it takes the next ones; nothing behind them is read."""
    batches = [[found(refused(), offset) for offset in range(start, start + 3)] for start in (0, 3, 6)]
    known = histories()
    known.note(letter_id(0), Replay(at=1, attempt=2, to=KRAKEN))
    counts, fates = await replayed(batches, Order(limit=4), known)
    assert places(fates) == ["3:1", "3:2", "3:3", "3:4"]
    assert (counts.selected, counts.sent, counts.replayed_before) == (5, 4, 1)


async def test_what_goes_as_it_was_refused_by_this_version_is_counted_by_its_reason() -> None:
    """Not what was repaired, what another version refused, or what time or a registry mends."""
    alike = found(refused(), 1)
    elsewhere = replace(found(refused(), 2), said={**alike.said, "version": f"{own_version()}.post1"})
    early = found(refused(reason="timestamp_in_future"), 3)
    counts, _ = await replayed([[alike, elsewhere, early]], Order())
    assert counts.shown()["unchanged"] == {"price_not_positive": 1}
    repairs = Transform(Path("t.py"), lambda letter: replace(letter, value=b"repaired"))
    assert not (await replayed([[alike]], Order(repairs)))[0].unchanged
    assert (await replayed([[alike]], Order(Transform(Path("t.py")))))[0].unchanged


async def test_a_failing_transform_names_file_letter_and_failure_and_sends_no_part_of_a_batch() -> None:
    """Whole batches before it stay sent."""

    def fails(letter: Letter) -> Any:
        return letter if letter.place.offset < 4 else 1 / 0

    letters = [found(refused(), offset) for offset in range(1, 6)]
    told = r"t\.py failed at letter 3:4: ZeroDivisionError.*; 2 letters were sent before, in whole batches / 2"
    with pytest.raises(ConfigError, match=told):
        await replayed([letters[:2], letters[2:]], Order(Transform(Path("t.py"), fails)))
    with pytest.raises(ConfigError, match="gave str for letter 3:1"):
        await replayed([letters], Order(Transform(Path("t.py"), str)))
