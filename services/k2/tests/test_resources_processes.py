"""What real processes take is measured: their own and their children's, ended ones too, shared memory once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from k2.resources.processes import MB, ProcessTree, Sampler, Sought, measured

SPENT_S, TICK_S = 0.4, 0.1
FORKS = """
import mmap, os, signal, sys
held = mmap.mmap(-1, {size})
held.write(b"x" * {size})
reads, says = os.pipe()
for _ in range({children}):
    if os.fork() == 0:
        assert sum(held[::4096]) > 0
        {child}
        os.write(says, b".")
        signal.pause()
for _ in range({children}):
    os.read(reads, 1)
print("ready", flush=True)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""
SPENDS = f"""
import os, sys, time
if os.fork() == 0:
    while time.process_time() < {SPENT_S}: pass
    os._exit(0)
os.wait()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def started(program: str) -> Iterator[int]:
    """A program in a session of its own that has said it is ready; its pid."""
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout
        assert child.stdout.readline()
        yield child.pid
    finally:
        child.communicate()


def test_a_child_that_has_ended_counts() -> None:
    """Its CPU seconds are its parent's, of whom it was before it was asked for."""
    with started(SPENDS) as pid:
        own = psutil.Process(pid).cpu_times()
        assert own.user + own.system < SPENT_S - TICK_S <= ProcessTree(pid).cpu_s()


def test_what_is_shared_counts_once() -> None:
    """Four processes that share 64 MB hold 64 MB, and each its own besides; what is resident counts it five times."""
    size = 64 * MB
    with started(FORKS.format(size=size, children=4, child="")) as pid:
        family = [psutil.Process(pid), *psutil.Process(pid).children()]
        resident_mb = sum(each.memory_info().rss for each in family) / MB
        found_mb = ProcessTree(pid).memory_mb()
    assert len(family) == 5
    assert resident_mb > 5 * 64
    assert 64 < found_mb < 2 * 64


def test_children_count() -> None:
    """Each with what it holds alone."""
    child = f"own = bytearray(b'y' * {32 * MB})"
    with started(FORKS.format(size=MB, children=2, child=child)) as pid:
        assert ProcessTree(pid).memory_mb() >= 2 * 32


def test_cpus_are_those_since_the_last_look() -> None:
    """What was spent before is another look's."""
    with started(SPENDS) as pid:
        sampler = Sampler({"gold": pid})
        assert sampler.look()["gold"].cpu < SPENT_S


def test_a_process_that_ends_is_left_out_from_then_on() -> None:
    """And others are measured on."""
    with started(SPENDS) as other:
        with started(SPENDS) as pid:
            sampler = Sampler({"gold": pid, "silver": other})
            assert sampler.look().keys() == {"gold", "silver"}
        assert sampler.look().keys() == {"silver"}


def test_what_was_not_found_or_has_ended_has_no_usage() -> None:
    """It says what was looked for."""
    with started(SPENDS) as ended:
        pass
    with started(SPENDS) as pid:
        sought = [Sought("silver", "here", pid), Sought("gold", "there", None), Sought("kafka", "gone", ended)]
        silver, gold, kafka = measured(sought, 0.01)
    assert silver.usage is not None
    assert (gold.usage, gold.fault) == (None, "there")
    assert (kafka.usage, kafka.fault) == (None, "gone")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the proportional set")
def test_a_process_that_may_not_be_looked_into_tells_what_is_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another user."""

    def refused(_: psutil.Process) -> None:
        raise psutil.AccessDenied

    with started(SPENDS) as pid:
        resident_mb = psutil.Process(pid).memory_info().rss / MB
        monkeypatch.setattr(psutil.Process, "memory_full_info", refused)
        assert ProcessTree(pid).memory_mb() == pytest.approx(resident_mb, rel=0.1)
