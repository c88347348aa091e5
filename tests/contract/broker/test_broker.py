"""The broker of the stack keeps every promise on which exactly-once rests; these tests gate the others."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from k2.probe.bench import Bench, BrokerFailed, bench, expect
from k2.probe.checks import CHECKS
from k2_local import Stack, StackSettings
from k2_shared.settings import KafkaSettings, RunSettings
from k2_shared.testing.waiting import eventually
from k2_shared.topics import administration


@pytest.fixture
async def place(run_settings: RunSettings) -> AsyncIterator[Bench]:
    async with bench(run_settings) as found:
        yield found


@pytest.mark.parametrize("name", CHECKS)
async def test_the_broker_keeps_its_promise(place: Bench, name: str) -> None:
    """Each check of ``k2 probe-broker`` returns."""
    await CHECKS[name](place)


def test_a_broken_promise_is_told_apart() -> None:
    """What a broker breaks is named by the promise and what was seen."""
    with pytest.raises(BrokerFailed, match="the end is 12, found 11"):
        expect(False, "the end is 12, found 11")


@pytest.mark.long
async def test_committed_records_outlive_a_crash_of_the_broker(tmp_path: Path) -> None:
    """kill -9 of the broker after acknowledged transactions: every record and offset is there when it is back."""
    stack = Stack(StackSettings.load(k2_state_dir=tmp_path))
    try:
        settings = KafkaSettings.load(kafka_bootstrap_servers=stack.up()["KAFKA_BOOTSTRAP_SERVERS"])
        async with bench(settings, run="durable") as before:
            at = await before.topic("kept")
            async with before.writer("kept") as sender:
                for number in range(20):
                    await sender.begin_transaction()
                    await before.write(sender, at, 5)
                    await sender.send_offsets_to_transaction({at: number + 1}, before.group("kept"))
                    await sender.commit_transaction()
        (broker,) = [part.pid for part in stack.status() if part.part == "kafka"]
        assert broker is not None
        os.kill(broker, signal.SIGKILL)
        await eventually(lambda: not _alive(broker), "the broker's end")
        stack.up()
        async with administration(settings) as admin:
            after = Bench(settings, admin, "durable")
            assert len(await after.read(at)) == 100
            assert await after.group_offset("kept", at) == 20
    finally:
        stack.down()


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
