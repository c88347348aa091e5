"""Whatever hypothesis makes of a history and its sinks, on real servers: candles are exact, and say what they lack."""

import asyncio
import functools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.candles.hand_sink import HandSink, Step, hand_sink
from tests.warm.kills import MOMENTS

from k2_shared.core.settings import ClickHouseSettings, RunSettings
from k2_support.http_proxy import HttpProxy

EXAMPLES = 20
ROWS, OLDER = st.sampled_from([5, 40, 400]), st.sampled_from([0, 1, 50_000])
INTO = st.sampled_from(["candles", "gold_trades", "missing_ids", "gaps"])
STEPS = st.one_of(
    st.integers(1, 4).map(lambda batches: functools.partial(HandSink.write, batches=batches)),
    st.tuples(ROWS, OLDER, st.integers(1, 2)).map(lambda of: lambda sink: sink.work(*of)),
    st.tuples(ROWS, OLDER, INTO, st.sampled_from(MOMENTS)).map(lambda of: lambda sink: sink.fall(*of)),
    st.just(HandSink.set_back),
)


@pytest.fixture
def sink(topics: dict[str, int], run_settings: RunSettings) -> Iterator[HandSink]:
    """One run for all examples: each goes on from where the one before it ended."""
    with HttpProxy(ClickHouseSettings.load().clickhouse_url).listening() as proxy:
        made = hand_sink(run_settings, proxy, next(iter(topics.values())))
        yield made
        made.tables.drop()
        made.tables.close()


async def happen(sink: HandSink, steps: list[Step]) -> list[str]:
    """Every step, then a sink in peace; what is not as it must be."""
    await sink.write(2)
    for step in steps:
        await step(sink)
    return await sink.settle(100, 10)


@pytest.mark.long
@pytest.mark.timeout(3_000)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.generate,),  # an example takes seconds: none is made smaller
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEPS, min_size=2, max_size=6), seed=st.integers(0, 2**31))
def test_candles_are_exact_whatever_happens(sink: HandSink, steps: list[Step], seed: int) -> None:
    """Batches of any size, deaths at any insert and between its halves, two sinks at once, groups set back."""
    sink.rng.seed(seed)
    assert asyncio.run(happen(sink, steps)) == []
