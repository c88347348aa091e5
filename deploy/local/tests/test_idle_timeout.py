"""A process is waited for as long as it works, up to a limit; the clock and the work are told here."""

import pytest

from k2_local.idle_timeout import Activity, IdleTimeout, IdleWatch

TIMEOUT = IdleTimeout(idle_s=20, limit_s=300)


class Told:
    """A process, and a clock, that say what the test says."""

    def __init__(self) -> None:
        self.now, self.done = 1_000.0, Activity()

    def activity(self) -> Activity:
        return self.done

    def clock(self) -> float:
        return self.now

    def after(self, watch: IdleWatch, seconds: float, done: Activity) -> str | None:
        """What a wait says when so many seconds have passed in which so much was done."""
        self.now += seconds
        before = self.done
        self.done = Activity(before.cpu_s + done.cpu_s, before.waited_s + done.waited_s, before.written + done.written)
        return watch.expired()


@pytest.mark.parametrize(
    "done", [Activity(cpu_s=0.2), Activity(waited_s=0.2), Activity(written=100_000)], ids=["cpu", "want of cpu", "disk"]
)
def test_work_is_waited_for(done: Activity) -> None:
    """Up to the limit, which is named."""
    told = Told()
    watch = TIMEOUT.watch(told, told.clock)
    assert [told.after(watch, 15, done) for _ in range(20)] == [None] * 20
    assert told.after(watch, 15, done) == "within K2_WORK_TIMEOUT_S=300"


def test_idleness_is_not_waited_for() -> None:
    """Work begins the time anew."""
    told = Told()
    watch = TIMEOUT.watch(told, told.clock)
    assert told.after(watch, 19, Activity(cpu_s=1)) is None
    assert told.after(watch, 2, Activity()) is None
    assert told.after(watch, 20, Activity()) is None
    assert told.after(watch, 1, Activity()) == "and showed no sign of work for 20 s"


def test_little_work_adds_up() -> None:
    """On a slow machine a process gets a moment of the CPU now and then."""
    told = Told()
    watch = TIMEOUT.watch(told, told.clock)
    assert [told.after(watch, 4, Activity(cpu_s=0.03)) for _ in range(50)] == [None] * 50


def test_a_process_that_only_waits_does_not_work() -> None:
    """What a sleeping process uses of the CPU is no sign."""
    told = Told()
    watch = TIMEOUT.watch(told, told.clock)
    said = [told.after(watch, 5, Activity(cpu_s=0.002, written=4_096)) for _ in range(5)]
    assert said == [None] * 4 + ["and showed no sign of work for 20 s"]
