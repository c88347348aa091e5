"""What the benchmark of the lake makes of what it saw."""

from tests.bench.generator import TICK_S, Load
from tests.bench.lake_arrivals import WARM_UP_S, Sightings, delays_ms, due_us

from k2_shared.kafka.topics import GOLD

LOAD = Load("b.", GOLD, 1, rate=1_000, seconds=10.0, symbols=2, cycles=3)


def test_each_cycle_is_due_after_the_one_before() -> None:
    """The offsets of a partition ascend with the ticks, and go on where a cycle ends."""
    due = due_us(LOAD)
    assert sum(map(len, due.values())) == 30_000
    for times in due.values():
        third = len(times) // 3
        assert (times[third:] - times[:-third] == 10_000_000).all()
        assert (times[1:] >= times[:-1]).all()


def test_a_record_waits_from_its_tick_to_the_first_look_at_its_batch() -> None:
    """The warm-up does not count."""
    (at, times), *_ = due_us(LOAD).items()
    middle, seen_us = len(times) // 2, 1_000_000 + 40_000_000
    seen = Sightings({1: ({at: (0, middle)}, 0), 2: ({at: (middle, len(times))}, seen_us)})
    late = times[middle:]
    counted = int((times >= WARM_UP_S * 1e6).sum())
    delays = delays_ms(seen, LOAD, begin_us=1_000_000)
    assert len(delays) == counted
    assert delays.min() == (40_000_000 - late[-1]) / 1e3
    assert delays.max() <= 40_000 - WARM_UP_S * 1e3 + TICK_S * 1e3
