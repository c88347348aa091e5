"""What ``make bench-resources`` makes of what it saw, and that every component is seen."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench.resources import exit_code, numbers, rates, tables
from tests.bench.under_load import STAGES, Sample, Watched, watched
from tests.bench.whole_system import AGENTS, MARKETS, SIMULATOR, lap_s, whole_system

from k2.resources.facts import Usage
from k2_local.stack import NAMES

SECONDS, OFFERED = 60, 1_000.0
GOLD = Usage(0.2, 100.0)


def load(gold: Usage = GOLD, late: str = "", by: float = 0.0) -> Watched:
    """A minute of gold and Kafka at a rate of which a stage may get less, by a share of it."""
    found = Watched(OFFERED, ["gold", "kafka"])
    for at in range(0, SECONDS + 5, 5):
        counts = {stage: round(7_777 + at * OFFERED * (1 - by * (stage == late))) for stage in STAGES}
        found.samples.append(Sample(100.0 + at, counts, {"gold": gold, "kafka": Usage(1.0, 600.0 + at)}))
    return found


def without(found: Watched, name: str, of: int) -> Watched:
    """The same where one component was not there at one sample."""
    one = found.samples[of]
    usages: Mapping[str, Usage] = {each: usage for each, usage in one.usages.items() if each != name}
    found.samples[of] = Sample(one.at, one.counts, usages)
    return found


def test_a_rate_that_comes_everywhere_is_held() -> None:
    """The line of JSON has what was offered, what was held, each component and the total."""
    said = numbers(load())
    assert (said["offered"], said["held"], said["is_held"], said["problems"]) == (1_000.0, 1_000.0, True, [])
    assert said["components"] == {
        "gold": {"cpu": 0.2, "memory_mb": 100.0, "target_cpu": 0.5, "target_mb": 512},
        "kafka": {"cpu": 1.0, "memory_mb": 660.0, "target_cpu": 2, "target_mb": 1_024},
    }
    assert said["total"] == {"cpu": 1.2, "memory_mb": 760.0, "target_cpu": 17.5, "target_mb": 20_480}
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize("stage", STAGES)
def test_a_rate_that_does_not_come_to_every_stage_is_not_held(stage: str) -> None:
    """Be it that the exchange could not send it; a tenth of it is missing."""
    found, shown = load(late=stage, by=0.1), StringIO()
    assert (round(found.held), found.is_held) == (900, False)
    for each in tables(found):
        Console(width=140, file=shown).print(each)
    assert "900, NOT HELD: 90% of it" in shown.getvalue()


@pytest.mark.parametrize("stage", STAGES)
def test_a_rate_that_is_not_held_ends_the_benchmark_with_1(stage: str) -> None:
    """Whichever of them it is, and also where every component keeps its target."""
    late = load(late=stage, by=0.1)
    assert late.report().problems == []
    assert [exit_code(each) for each in ([late], [load(), late], [late, load()])] == [1, 1, 1]
    assert exit_code([load(), load()]) == 0


def test_rates_are_of_what_grows_in_batches() -> None:
    """A table that gets a batch of ten seconds at once grows as fast as what it is filled from."""
    found = load()
    found.samples = [
        Sample(each.at, {**each.counts, "lake": round((each.at // 10) * 10 * OFFERED)}, each.usages)
        for each in found.samples
    ]
    assert found.rate("lake") == pytest.approx(OFFERED, rel=0.02)


def test_a_sample_without_counts_is_no_sample_of_a_rate() -> None:
    """An agent that is too busy to answer has not lost what it has done."""
    found = load()
    one = found.samples[5]
    found.samples[5] = Sample(one.at, {}, one.usages)
    assert found.held == pytest.approx(OFFERED)
    found.samples = [Sample(each.at, {}, each.usages) for each in found.samples]
    assert (found.held, found.is_held) == (0.0, False)


def test_cpus_are_the_mean_and_memory_is_the_most_after_the_first_sample() -> None:
    """The first tells of the time before."""
    found = load()
    first, *rest = found.samples
    found.samples = [Sample(first.at, first.counts, {**first.usages, "gold": Usage(9.0, 900.0)}), *rest]
    found.samples[3] = Sample(rest[2].at, rest[2].counts, {**rest[2].usages, "gold": Usage(0.8, 300.0)})
    (gold, _) = found.report().components
    assert gold.usage == Usage(pytest.approx(0.2 + 0.6 / len(rest)), 300.0)


def test_what_is_over_its_target_is_a_problem() -> None:
    """Also where the rate is held."""
    said = numbers(load(Usage(0.7, 100.0)))
    assert (said["is_held"], said["problems"]) == (True, ["gold over its target: 0.70 of 0.5 CPUs"])
    assert exit_code([load(Usage(0.7, 100.0)), load()]) == 1


def test_a_component_that_ends_is_a_problem() -> None:
    """It has no numbers that could be taken for those of one that worked."""
    said = numbers(without(load(), "gold", of=-1))
    assert said["problems"] == ["gold does not run: it ended under load"]
    assert len(tables(load())) == 2


def test_rates_are_read_as_they_are_written() -> None:
    """What cannot be played is refused."""
    assert rates("1000,10000") == [1_000.0, 10_000.0]
    for said in ("", "x", "0", "1000,1e9"):
        with pytest.raises(ValueError):  # noqa: PT011  # argparse makes its own line of it
            rates(said)


def test_a_lap_has_the_rate_that_is_wanted() -> None:
    """Of all markets together."""
    trades = sum(market.trades for market in MARKETS)
    assert trades / lap_s(1_000) == pytest.approx(1_000)


@pytest.mark.long
async def test_every_component_is_measured_and_its_trades_come_everywhere(tmp_path: Path) -> None:
    """Servers, agents and the exchange, which is no component."""
    console = Console(quiet=True)
    async with whole_system(100, tmp_path / "stack", tmp_path, console, "postgres") as system:
        found = await watched(system, 100, 30)
    assert set(found.names) == {*NAMES, *AGENTS, "feed_kraken", "feed_binance"}
    report = found.report()
    assert [each.name for each in report.components if each.usage is None or each.target is None] == []
    assert SIMULATOR not in found.names
    assert found.simulator_cpu > 0
    assert all(found.rate(stage) > 0 for stage in STAGES)
