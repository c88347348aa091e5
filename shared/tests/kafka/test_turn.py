"""One process at a time at some work, by a group of the real broker."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.kafka.turn import Taken, turn
from k2_support.children import Child
from k2_support.waiting import eventually

WORK = "maintenance"
HOLDER = """
import asyncio
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.kafka.turn import turn

async def hold():
    settings = RunSettings.load()
    async with turn(settings, Names(settings.k2_prefix), "maintenance"):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


async def is_free(settings: RunSettings, names: Names) -> bool:
    try:
        async with turn(settings, names, WORK):
            return True
    except Taken:
        return False


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_a_second_is_refused_until_the_first_has_ended(run_settings: RunSettings, names: Names) -> None:
    """It is told where the first is; other work is another turn."""
    async with turn(run_settings, names, WORK):
        with pytest.raises(Taken, match=r"maintenance is at work on \S+ \(process \d+\): one at a time"):
            async with turn(run_settings, names, WORK):
                pytest.fail("two at once")
        async with turn(run_settings, names, "another"):
            pass
    assert await is_free(run_settings, names)


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_a_broker_that_cannot_say_yet_is_asked_again(
    run_settings: RunSettings, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that has just started, and has no topic of offsets, or has not read it."""
    asked = AIOKafkaAdminClient.describe_consumer_groups
    errors = [GroupCoordinatorNotAvailableError, GroupLoadInProgressError]

    async def not_yet(admin: AIOKafkaAdminClient, groups: list[str]) -> Any:
        if errors:
            raise errors.pop()("of a broker that has just started")
        return await asked(admin, groups)

    monkeypatch.setattr(AIOKafkaAdminClient, "describe_consumer_groups", not_yet)
    assert await is_free(run_settings, names)


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_of_several_at_once_at_most_one_is_let_in(run_settings: RunSettings, names: Names) -> None:
    """Whoever met another leaves and begins again after a while of its own, so that one of them gets in."""
    inside, let_in = list[int](), list[int]()

    async def work(number: int) -> None:
        with suppress(Taken):
            async with turn(run_settings, names, WORK):
                inside.append(number)
                let_in.append(number)
                assert not await is_free(run_settings, names)
                assert inside == [number]
                inside.remove(number)

    async def all_at_once() -> bool:
        await asyncio.gather(*map(work, range(4)))
        return bool(let_in)

    await eventually(all_at_once, "one of them")


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_a_crash_frees_it(run_settings: RunSettings, names: Names, tmp_path: Path) -> None:
    """Once the session of who was killed has timed out."""
    (tmp_path / "holder.py").write_text(HOLDER)
    environment = {"K2_PREFIX": run_settings.k2_prefix, "PYTHONPATH": str(tmp_path)}
    child = Child("holder", environment, tmp_path / "holder.log", 0).start()
    await eventually(lambda: "held" in child.log.read_text(), "the first to hold it")
    assert not await is_free(run_settings, names)
    child.kill()
    assert not await is_free(run_settings, names)
    await eventually(lambda: is_free(run_settings, names), "its session's end")
