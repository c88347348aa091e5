"""What the broker of the stack has committed outlives it; its other promises gate every session of tests."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from k2_local import Stack, StackSettings
from k2_shared.core.settings import KafkaSettings
from k2_support.probe import BrokerFailed, expect, leave_marks, marks_outlive_a_restart, sandbox
from k2_support.waiting import eventually


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
        async with sandbox(settings, "durable", keep=True) as before:
            await leave_marks(before)
        (broker,) = [part.pid for part in stack.status() if part.part == "kafka"]
        assert broker is not None
        os.kill(broker, signal.SIGKILL)
        await eventually(lambda: not _alive(broker), "the broker's end")
        stack.up()
        async with sandbox(settings, "durable") as after:
            await marks_outlive_a_restart(after)
    finally:
        stack.down()


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
