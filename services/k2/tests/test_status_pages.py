"""What is read from the text of agents' metrics."""

import pytest
from prometheus_client import generate_latest

from k2.status.facts import Gaps, Lags, Table
from k2.status.pages import FRESH_S, Page, described, exported_lags, measured, told_gaps, warm_tables
from k2_shared.core import contracts
from k2_shared.core.metrics import Metrics

NOW = 1_800_000_000.0


def page(metrics: Metrics) -> Page:
    """The page as an agent serves it."""
    return Page(generate_latest(metrics.registry).decode())


def test_a_process_says_who_it_is_and_how() -> None:
    """Its service and version, since when it runs, whether it is halted, and how many symbols wait for a decision."""
    metrics = Metrics("gold", "1.2")
    metrics.halted.set(1)
    metrics.feed.stopped_symbols.labels("KRAKEN").set(2)
    found = described(page(metrics), NOW)
    assert found.pop("up_s") > 0
    assert found == {"service": "gold", "version": "1.2", "halted": True, "stopped_symbols": 2}


def test_a_page_that_says_nothing_leaves_it_unknown() -> None:
    """Nothing is made up."""
    assert described(Page(""), NOW) == {
        "service": None,
        "version": None,
        "up_s": None,
        "halted": False,
        "stopped_symbols": 0,
    }


def test_rates_and_age_are_of_the_sample_alone() -> None:
    """A series that is new in it began at zero; a table's rows are what its sink wrote."""
    metrics = Metrics("silver", "1")
    metrics.received.labels("a").inc(1_000)
    metrics.pipeline_age.labels("silver").observe(100.0)
    before = page(metrics)
    metrics.received.labels("a").inc(10)
    metrics.received.labels("b").inc(10)
    metrics.sent.labels("c").inc(6)
    metrics.tables.rows.labels("t").inc(2)
    for age in (0.25, 0.75):
        metrics.pipeline_age.labels("silver").observe(age)
    assert measured(before, page(metrics), 2.0) == {"in_per_s": 10.0, "out_per_s": 4.0, "age_s": 0.5}


def test_to_a_feed_frames_come() -> None:
    """The records that it reads are an operator's orders."""
    metrics = Metrics("feed_kraken", "1")
    metrics.received.labels("symbols").inc()
    before = page(metrics)
    metrics.frames.labels("KRAKEN", "trade").inc(8)
    metrics.received.labels("symbols").inc()
    assert measured(before, page(metrics), 2.0)["in_per_s"] == 4.0


def test_what_was_not_counted_is_not_known() -> None:
    """Neither where nothing ever came, nor over a restart; where nothing came in the sample there is no age."""
    nothing = page(Metrics("silver", "1"))
    assert measured(nothing, nothing, 1.0) == {"in_per_s": None, "out_per_s": None, "age_s": None}
    metrics = Metrics("silver", "1")
    metrics.received.labels("a").inc(5)
    metrics.pipeline_age.labels("silver").observe(1.0)
    some = page(metrics)
    assert measured(some, some, 1.0) == {"in_per_s": 0.0, "out_per_s": None, "age_s": None}
    metrics.received.labels("a").inc(5)
    assert measured(page(metrics), some, 1.0)["in_per_s"] is None


@pytest.mark.parametrize(("age_s", "known"), [(FRESH_S, True), (FRESH_S + 1, False)])
def test_a_lag_is_believed_while_it_is_fresh(age_s: float, *, known: bool) -> None:
    """The partitions' lags are summed, other groups left out; one group that is not fresh makes all of it unknown."""
    metrics = Metrics("lag_exporter", "1")
    of = metrics.groups
    for group, partition, lag in (("g", "0", 3), ("g", "1", 4), ("other", "0", 9)):
        of.lag.labels(group, "t", partition).set(lag)
    of.measured.labels("g").set(NOW - age_s)
    of.measured.labels("idle").set(NOW)
    found = exported_lags(page(metrics), ["g", "idle"], NOW)
    assert found == (Lags({"g": 7, "idle": 0}, "lag_exporter") if known else None)
    assert exported_lags(page(metrics), ["g", "absent"], NOW) is None


def test_without_the_ledger_the_feeds_say_how_many_ids_are_missing() -> None:
    """Of other agents nothing is asked; without a feed it is not known."""
    feed, gold = Metrics("feed_kraken", "1"), Metrics("gold", "1")
    feed.feed.open_gap_ids.labels("KRAKEN", "BTC/USD").set(3)
    feed.feed.open_gap_ids.labels("KRAKEN", "ETH/USD").set(4)
    assert told_gaps([page(feed), page(gold)], "away") == Gaps(ids=7, source="metrics", fault="away")
    assert told_gaps([page(gold)], "away") == Gaps(fault="away")


def test_a_warm_sink_tells_of_its_tables() -> None:
    """How many rows the server counts, and how old the newest is that was inserted; what is not told is not known."""
    metrics = Metrics("warm_sink", "1")
    metrics.warm.rows.labels("gold_trades").set(7)
    metrics.warm.rows.labels("schema_migrations").set(8)
    metrics.warm.newest.labels("gold_trades").set(NOW - 2.5)
    metrics.warm.newest.labels("gaps").set(NOW + 1)
    found = {table.name: table for table in warm_tables(page(metrics), NOW)}
    assert set(found) == set(contracts.warm_tables())
    assert found["gold_trades"] == Table("gold_trades", rows=7, commit_age_s=2.5)
    assert found["gaps"] == Table("gaps", commit_age_s=0.0)
    assert found["raw_trades"] == Table("raw_trades")
