"""Reconnect delays."""

import random

from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.backoff import Backoff


@given(st.integers(0, 200), st.floats(0.01, 10), st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_a_delay_is_drawn_below_a_ceiling_that_doubles_to_the_cap(
    failures: int, base: float, cap: float, rng: random.Random
) -> None:
    """Full jitter: any delay from 0 to min(cap, base * 2^n), however many failures."""
    backoff = Backoff(base, cap, rng, failures)
    assert 0 <= backoff.next_delay() <= min(cap, base * 2.0 ** min(failures, 30))
    assert backoff.failures == failures + 1


def test_delays_use_the_whole_range_and_success_starts_over() -> None:
    """Clients that failed together come back apart; after a success the next ceiling is the base."""
    backoff = Backoff(1.0, 60.0, random.Random(7), failures=20)
    delays = [backoff.next_delay() for _ in range(200)]
    assert min(delays) < 3
    assert max(delays) > 57
    backoff.succeeded()
    assert backoff.next_delay() <= 1.0
