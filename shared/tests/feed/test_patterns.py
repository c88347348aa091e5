"""The small parts of resilience, each with a clock of its own: budgets, endpoints, staleness, skew, memory."""

import random
from dataclasses import dataclass

import pytest
from shared.tests.feed.hand_feed import Clock

from k2_shared.core.backoff import Backoff
from k2_shared.core.errors import Unavailable
from k2_shared.feed.coverage.skew import LIVE_WITHIN_S, ClockSkew
from k2_shared.feed.coverage.staleness import Laggards, Staleness
from k2_shared.feed.run.memory import MemoryWatch, resident_bytes
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.venue.budget import Allowance, ConnectionAttempts, RestBudget


def test_delays_are_drawn_from_a_ceiling_that_doubles_to_the_cap() -> None:
    """Full jitter: anything between nothing and the ceiling."""
    backoff = Backoff(1.0, 8.0, random.Random(1))
    delays = [backoff.next_delay() for _ in range(200)]
    assert all(delay <= min(8.0, 2.0**n) for n, delay in enumerate(delays))
    assert min(delays) < 1.0 < 7.0 < max(delays)
    backoff.succeeded()
    assert backoff.next_delay() <= 1.0


def test_attempts_beyond_the_budget_wait_for_the_oldest_to_leave_the_window() -> None:
    """Three in ten seconds: the fourth comes ten seconds after the first."""
    clock = Clock()
    attempts = ConnectionAttempts(Allowance(3, 10.0), clock)
    for _ in range(3):
        assert attempts.reserve() == 0
        clock.now += 1
    assert attempts.reserve() == pytest.approx(7)
    clock.now += 8
    assert attempts.reserve() == 0


def test_attempts_that_are_asked_for_at_once_do_not_share_one_place() -> None:
    """Eight ask where two are allowed in ten seconds: no window of that length has a third."""
    clock = Clock()
    attempts = ConnectionAttempts(Allowance(2, 10.0), clock)
    at = [clock.now + attempts.reserve() for _ in range(8)]
    assert at == sorted(at)
    assert all(third - first >= 10.0 for first, third in zip(at, at[2:], strict=False))


def test_attempts_of_an_earlier_process_count() -> None:
    """A restart does not refill the venue's budget."""
    clock = Clock()
    first = ConnectionAttempts(Allowance(2, 10.0), clock)
    first.reserve()
    first.reserve()
    clock.now += 4
    assert ConnectionAttempts(Allowance(2, 10.0), clock, first.made).reserve() == pytest.approx(6)


def test_rest_calls_wait_for_the_bucket_to_fill() -> None:
    """Capacity 2, one a second: two at once, then one each second."""
    clock = Clock()
    budget = RestBudget(2.0, 1.0, clock)
    budget.spend(1)
    budget.spend(1)
    assert budget.wait_s(1) == pytest.approx(1)
    clock.now += 5
    assert budget.wait_s(2) == 0


def test_a_refusal_closes_the_bucket_for_as_long_as_the_venue_says() -> None:
    """And longer where the bucket needs longer."""
    clock = Clock()
    budget = RestBudget(10.0, 1.0, clock)
    budget.refused(30)
    assert budget.wait_s(1) == pytest.approx(30)
    clock.now += 30
    assert budget.wait_s(1) == 0


def test_an_endpoint_that_fails_several_times_in_a_row_gives_way() -> None:
    """A success between two failures starts the count over; after the last comes the first."""
    endpoints = Endpoints(["a", "b"], failures=2)
    assert not endpoints.failed()
    endpoints.succeeded()
    assert not endpoints.failed()
    assert endpoints.failed()
    assert endpoints.current == "b"
    assert not endpoints.failed()
    assert endpoints.failed()
    assert endpoints.current == "a"


def test_a_single_endpoint_has_no_other() -> None:
    """It is tried again."""
    endpoints = Endpoints(["a"], failures=1)
    assert not endpoints.failed()
    assert endpoints.current == "a"


def test_a_symbol_is_asked_about_when_its_ids_stand_still() -> None:
    """Each symbol by itself; the venue's word that it is quiet buys as much time again."""
    clock = Clock()
    staleness = Staleness(60.0, clock)
    assert staleness.look({"A": 1, "B": 1}) == []
    clock.now += 59
    assert staleness.look({"A": 2, "B": 1}) == []
    clock.now += 1
    assert staleness.look({"A": 2, "B": 1}) == ["B"]
    staleness.quiet("B")
    assert staleness.look({"A": 2, "B": 1}) == []
    clock.now += 60
    assert staleness.look({"A": 2, "B": 1}) == ["A", "B"]


def test_after_a_start_every_symbol_is_asked_about() -> None:
    """One that did not move since may have traded while nobody listened."""
    staleness = Staleness(60.0, Clock())
    staleness.at_once(["A"])
    assert staleness.look({"A": 0, "B": 0}) == ["A"]
    assert staleness.look({"A": 7, "B": 0}) == []


def test_a_symbol_that_is_not_followed_is_not_quiet() -> None:
    """The venue's late word about one that was left says nothing."""
    staleness = Staleness(60.0, Clock())
    staleness.quiet("A")
    assert staleness.look({"B": 0}) == []


@dataclass
class FakeConnection:
    """A socket by hand."""

    id: int
    last: dict[str, int]
    confirmed: tuple[str, ...] = ("A",)


def test_a_socket_that_brings_nothing_of_a_symbol_while_others_do_is_found() -> None:
    """A quiet symbol makes no laggard, nor does one that it has only just been subscribed to."""
    clock = Clock()
    laggards, good, silent = Laggards(60.0, clock), FakeConnection(1, {"A": 5}), FakeConnection(2, {})
    assert laggards.look([good, silent]) == []
    clock.now += 60
    assert laggards.look([good, silent]) == []
    good.last["A"] = 6
    assert laggards.look([good, silent]) == [(2, "A")]
    silent.last["A"] = 6
    assert laggards.look([good, silent]) == []


def test_a_socket_alone_is_no_laggard() -> None:
    """Whatever REST brought meanwhile: no other socket did."""
    clock = Clock()
    laggards, only = Laggards(60.0, clock), FakeConnection(1, {"A": 5})
    for _ in range(3):
        assert laggards.look([only]) == []
        clock.now += 60


def test_skew_is_the_largest_lead_of_two_windows() -> None:
    """Delays of single deliveries do not count; an old lead is forgotten."""
    clock = Clock()
    skew = ClockSkew(60.0, clock)
    assert skew.seconds is None
    skew.note(1_000_000, 2_000_000)
    skew.note(5_000_000, 4_000_000)
    skew.note(5_500_000, 5_000_000)
    assert skew.seconds == pytest.approx(1.0)
    clock.now += 60
    skew.note(1_000_000, 1_500_000)
    assert skew.seconds == pytest.approx(1.0)
    clock.now += 60
    skew.note(1_000_000, 1_500_000)
    assert skew.seconds == pytest.approx(-0.5)


def test_a_trade_of_long_ago_says_nothing_of_the_clocks() -> None:
    """A recording is no clock that is late."""
    clock = Clock()
    skew, now_us = ClockSkew(60.0, clock), 1_800_000_000_000_000
    limit_us = int(LIVE_WITHIN_S * 1e6)
    skew.note(now_us - limit_us - 1, now_us)
    assert skew.seconds is None
    skew.note(now_us - limit_us, now_us)
    assert skew.seconds == -LIVE_WITHIN_S


def test_one_broken_time_is_no_clock_and_a_clock_that_is_hours_ahead_is() -> None:
    """A trade of the year 2099 among others says nothing; where every trade leads by hours, the clock does."""
    clock = Clock()
    skew, now_us = ClockSkew(60.0, clock), 1_800_000_000_000_000
    ahead_us = 2 * int(LIVE_WITHIN_S * 1e6)
    skew.note(now_us + ahead_us, now_us)
    assert skew.seconds == 2 * LIVE_WITHIN_S
    skew.note(now_us + 250_000, now_us)
    skew.note(now_us + 40 * ahead_us, now_us)
    assert skew.seconds == pytest.approx(0.25)


def test_a_skew_is_forgotten_once_no_live_trade_tells_it() -> None:
    """Two windows after the last, as where a recording is played in the venue's place."""
    clock = Clock()
    skew, now_us = ClockSkew(60.0, clock), 1_800_000_000_000_000
    skew.note(now_us - 500_000, now_us)
    for expected in (-0.5, None):
        clock.now += 60
        skew.note(1_000_000, now_us)
        assert skew.seconds == expected


def test_a_process_that_grew_too_large_ends() -> None:
    """The limit, the size and the setting are named."""
    sizes = iter([90_000_000, 110_000_000])
    watch = MemoryWatch(100_000_000, lambda: next(sizes))
    assert watch.check() == 90_000_000
    with pytest.raises(Unavailable, match="110 MB of memory are more than FEED_MEMORY_LIMIT_MB=100"):
        watch.check()
    assert resident_bytes() > 10_000_000
