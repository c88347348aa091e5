"""What was taken beside what was meant to be: the sums, what is over, and the verdict."""

from collections.abc import Sequence

import pytest

from k2.resources.facts import Measured, Report, Taken, Usage, reported, together
from k2_shared.core.resources import Component, Resources, ResourceTarget

HALF = ResourceTarget(0.5, 512)
KNOWN = Resources(
    {
        each.name: each
        for each in (
            Component("kafka", ResourceTarget(2, 1_024), "kafka"),
            Component("seaweedfs", HALF, "seaweed"),
            Component("gold", HALF, "gold", own=True),
            Component("silver", HALF, "silver", own=True),
            Component("spark-master", HALF, "spark-master", batch=True),
        )
    },
    own=ResourceTarget(0.8, 900),
    plain=ResourceTarget(3, 2_000),
    batch=ResourceTarget(4, 3_000),
)


def of(*measured: Measured) -> Report:
    """The report of what was measured in two seconds."""
    return reported(measured, 2.0, KNOWN)


def took(name: str, cpu: float = 0.1, memory_mb: float = 100.0) -> Measured:
    """A component that runs."""
    return Measured(name, Usage(cpu, memory_mb))


def test_within_its_targets_everything_is_ok() -> None:
    """As much as the target is within it."""
    report = of(took("kafka", 2.0, 1_024.0), took("gold", 0.5, 512.0))
    assert (report.problems, report.verdict, report.exit_code) == ([], "ok", 0)
    assert report.seconds == 2.0


def test_the_sums_are_of_all_and_of_our_own() -> None:
    """Each beside its total."""
    report = of(took("kafka", 1.0, 800.0), took("gold", 0.25, 200.0), took("silver", 0.5, 100.0))
    assert report.own == Taken("own processes", Usage(0.75, 300.0), KNOWN.own)
    assert report.total == Taken("total", Usage(1.75, 1_100.0), KNOWN.plain)


def test_with_what_is_batch_the_total_may_be_larger() -> None:
    """Where it runs, and not where it was only looked for."""
    assert of(took("kafka"), took("spark-master")).total.target == KNOWN.batch
    assert of(took("kafka"), Measured("spark-master", None, "nowhere")).total.target == KNOWN.plain


OVER: list[tuple[Sequence[Measured], list[str]]] = [
    ([took("gold", 0.714)], ["gold over its target: 0.71 of 0.5 CPUs"]),
    ([took("gold", 0.1, 530.4)], ["gold over its target: 530 of 512 MB"]),
    ([took("seaweed", 0.6, 600.0)], ["seaweed over its target: 0.60 of 0.5 CPUs and 600 of 512 MB"]),
    (
        [took("gold", 0.45), took("silver", 0.45)],
        ["own processes over its target: 0.90 of 0.8 CPUs"],
    ),
    (
        [took("kafka", 2.0, 1_000.0), took("stranger", 1.5, 1_200.0)],
        ["total over its target: 3.50 of 3 CPUs and 2200 of 2000 MB"],
    ),
]


@pytest.mark.parametrize(("measured", "problems"), OVER)
def test_what_is_over_is_named_with_both_numbers(measured: Sequence[Measured], problems: list[str]) -> None:
    """A component alone, our own together, or all of them; exit code 1."""
    report = of(*measured)
    assert (report.problems, report.exit_code) == (problems, 1)
    assert report.verdict == "; ".join(problems)


def test_what_has_no_target_counts_in_the_total_alone() -> None:
    """It is over nothing."""
    report = of(took("stranger", 1.0))
    (found,) = report.components
    assert (found.target, found.over, report.exit_code) == (None, [], 0)
    assert report.own.usage == Usage(0.0, 0.0)


def test_what_does_not_run_is_a_problem() -> None:
    """Said with what was looked for; it takes nothing."""
    report = of(took("kafka"), Measured("gold", None, "nobody listens at http://g"))
    assert report.problems == ["gold does not run: nobody listens at http://g"]
    assert report.exit_code == 1
    assert report.total.usage == Usage(0.1, 100.0)


def test_where_nothing_runs_the_exit_code_says_so() -> None:
    """As that of ``k2 status``."""
    assert of(Measured("gold", None, "x"), Measured("kafka", None, "y")).exit_code == 4


def test_nothing_together_is_nothing() -> None:
    """And more is the sum."""
    assert together([]) == Usage(0.0, 0.0)
    assert together([Usage(1.0, 2.0), Usage(0.5, 3.0)]) == Usage(1.5, 5.0)
