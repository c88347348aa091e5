"""The parts of the long runs that need no process: the storm's order, the verdict, and memory."""

import json
from collections import Counter
from itertools import islice, pairwise
from typing import cast

import pytest
from rich.console import Console
from tests.feeds import soak_market
from tests.feeds.soak_memory import Memory, Sample
from tests.feeds.soak_report import Report, line
from tests.feeds.soak_rig import Rig
from tests.feeds.soak_scenes import Progress, Scenes
from tests.feeds.soak_storm import KILL, RESET, TERMINATE, Strike, storm
from tests.feeds.soak_watch import Records, overlap
from tests.feeds.venue_accounts import Account

from exchange_sim.catalogue import INJECTED
from k2_shared.core.errors import InvalidRecord
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord
from k2_shared.feed.coverage.intervals import IntervalSet
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import BRONZE, DLQ, EVENTS, GOLD
from k2_support.records import SCHEMA_ID, FakeRecord, records, trade

SYMBOL = "BTC/USDT"
MEGABYTE = 1_000_000


def first(count: int, seed: int = 7) -> list[Strike]:
    return list(islice(storm(seed), count))


def test_a_seed_fixes_the_storm() -> None:
    """The same seed strikes in the same order, another one otherwise."""
    assert first(200) == first(200)
    assert first(200) != first(200, seed=8)


def test_a_storm_of_five_hundred_shows_every_kind_at_every_venue() -> None:
    """Each kind that has a weight comes with each of its venues in the first deck already; the others never do."""
    shown = {(strike.kind, strike.venue) for strike in first(100)}
    weighed = {kind for kind, fault in INJECTED.items() if fault.weight}
    wanted = {(kind, venue) for kind in weighed - {RESET} for venue in INJECTED[kind].venues}
    assert {kind for kind, _ in shown} <= weighed | {KILL, TERMINATE}
    assert shown >= wanted | {(kind, venue) for kind in (KILL, TERMINATE) for venue in ("KRAKEN", "BINANCE")}


def test_the_symbols_whose_ids_are_reset_are_left_alone() -> None:
    """No fault of a symbol is meant for them, and no reset comes by the storm."""
    strikes = first(2_000)
    assert not [
        strike for strike in strikes if strike.said.get("symbol") in soak_market.lively(strike.venue, resets=True)
    ]
    assert RESET not in Counter(strike.kind for strike in strikes)


def test_a_long_run_captures_two_hundred_symbols() -> None:
    """Most of them quiet, and each under a name of its own."""
    assert len({(market.venue, market.symbol) for market in soak_market.MARKETS}) == 200
    assert len({(market.venue, market.name) for market in soak_market.MARKETS}) == 200


def test_every_scene_strikes_both_venues() -> None:
    """An outage of REST, a list that changes, many gaps and two resets of each; Kafka is both venues'."""
    scenes = [scene.name for scene in Scenes(cast("Rig", None), Progress(), Console()).all()]
    for venue in ("KRAKEN", "BINANCE"):
        assert {f"rest_outage of {venue}", f"halted of {venue}", f"5,000 gaps of {venue}"} <= set(scenes)
        assert sum(scene.startswith(f"id_reset of {venue}") for scene in scenes) == 2
    assert {"kafka_away", "kafka_slow"} <= set(scenes)
    assert len(scenes) == 12


@pytest.mark.parametrize(
    ("kind", "provoked"), [("wrong_acks", "drop_connections"), ("rest_holes", "drop_ids"), ("rate_limit", "drop_ids")]
)
def test_a_fault_that_waits_for_the_feed_is_followed_by_what_makes_it_come(kind: str, provoked: str) -> None:
    """Wrong acks strike who subscribes, and holes of REST who asks for them."""
    strikes = first(500)
    followers = [after for before, after in pairwise(strikes) if before.kind == kind]
    assert followers
    assert {after.kind for after in followers} == {provoked}
    assert all(strike.followed for strike in strikes if strike.kind == kind)


def test_an_id_counts_once_in_a_line() -> None:
    """Published comes before quarantined, and that before unfillable."""
    account = Account(IntervalSet([(5, 7)]), IntervalSet([(7, 8)]), IntervalSet([(8, 9)]))
    found = line("KRAKEN", SYMBOL, [(1, 10)], [(9, 9)], account)
    assert (found.assigned, found.published, found.quarantined, found.unfillable) == (6, 3, 1, 1)
    assert found.unaccounted == [(10, 10)]


def test_an_id_is_given_up_wrongly_where_rest_has_it() -> None:
    """Only what REST never has is unfillable in truth."""
    account = Account(IntervalSet([(5, 7)]), unfillable=IntervalSet([(8, 9)]))
    assert line("KRAKEN", SYMBOL, [(5, 9)], [(9, 9)], account).given_up == [(8, 8)]


def report(account: Account, **more: int) -> Report:
    return Report(7, [line("KRAKEN", SYMBOL, [(5, 9)], [], account)], more=dict(more))


def test_a_run_passes_when_nothing_is_lost_or_repeated() -> None:
    """Every id published, each once in gold, and every fault struck."""
    whole = Account(IntervalSet([(5, 9)]), records=5)
    assert report(whole).passed
    assert not report(whole, gold_repeated=1).passed
    assert not report(whole, gold_missing=1).passed
    assert not report(Account(IntervalSet([(5, 8)]), records=4)).passed
    struck_never = report(whole)
    struck_never.never_struck.append("burst")
    assert not struck_never.passed
    assert not Report(7).passed


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read one line of stdout, people the rest on stderr."""
    report(Account(IntervalSet([(5, 7), (9, 9)]), records=6, rest_records=2)).show(Console(stderr=True))
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["assigned"], said["published"], said["unaccounted"], said["backfilled"]) == (5, 4, 1, 2)
    assert said["passed"] is False


def test_the_table_shows_who_is_in_trouble_among_many(capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet symbols are one line together, but for one that lost an id."""
    whole, holed = Account(IntervalSet([(1, 9)]), records=9), Account(IntervalSet([(1, 4), (6, 9)]), records=8)
    found = [line("KRAKEN", f"Q{number}/USD", [(1, 9)], [], whole) for number in range(40)]
    Report(7, [*found, line("KRAKEN", "BAD/USD", [(1, 9)], [], holed)]).show(Console(stderr=True, width=160))
    said = capsys.readouterr()
    assert "KRAKEN:BAD/USD" in said.err
    assert "29 others" in said.err
    assert json.loads(said.out)["unaccounted"] == 1


def test_what_silver_refuses_is_not_awaited_in_gold() -> None:
    """A published trade is in gold, or a dead letter of the way there."""
    kept, batch = Records(SCHEMA_ID), records([trade(trade_id=number) for number in (5, 6, 7)])
    takes = kept.takes()
    takes[BRONZE.format(exchange="kraken")](batch)
    takes[GOLD](batch[:1])
    assert kept.not_in_gold() == 2
    refused = Refuser("silver", "silver").refuse(batch[2], InvalidRecord("timestamp_in_future", "KRAKEN:BTC/USDT:7"))
    takes[DLQ]([FakeRecord(refused.key, refused.value, headers=refused.headers)])
    assert kept.not_in_gold() == 1
    takes[GOLD](batch[:2])
    assert (kept.not_in_gold(), kept.gold_repeated) == (0, 1)


def test_events_are_counted_by_kind_venue_and_symbol() -> None:
    """What the feeds tell is held as counts."""
    kept = Records(SCHEMA_ID)
    event = EventRecord(exchange="KRAKEN", kind=EventKind.RESET, service="feed_kraken", at=1, symbol=SYMBOL)
    written = feed_records.events.outgoing(event)
    kept.takes()[EVENTS]([FakeRecord(written.key, written.value)] * 2)
    assert kept.told(EventKind.RESET) == kept.told(EventKind.RESET, "KRAKEN", SYMBOL) == 2
    assert kept.told(EventKind.RESET, "BINANCE") == kept.told(EventKind.RESUMED) == 0


def test_two_sets_share_what_lies_in_both() -> None:
    """Ranges are cut at each other's ends."""
    assert list(overlap([(1, 5), (8, 9)], IntervalSet([(4, 8)]))) == [(4, 5), (8, 8)]


def test_memory_is_judged_over_the_longest_life() -> None:
    """A process that was started again has memory of its own, and none is judged while it starts."""
    memory = Memory()
    long = [Sample(float(at), 1, (10 if at < 30 else 50 + at // 100) * MEGABYTE) for at in range(0, 400, 5)]
    memory.samples["feed_kraken"] = [*long, Sample(400.0, 2, 90 * MEGABYTE), Sample(405.0, 2, 90 * MEGABYTE)]
    start, end, minutes = memory.trend("feed_kraken")
    assert (start, end) == (50.0, 53.0)
    assert 6 < minutes < 7


def test_memory_of_which_nothing_is_known_has_no_trend() -> None:
    """A feed that never ran."""
    assert Memory().trend("feed_kraken") == (0.0, 0.0, 0.0)


def lived(*megabytes: float, pid: int = 1, every_s: float = 100.0) -> Memory:
    """A feed whose process held so much, from sample to sample."""
    samples = [Sample(at * every_s, pid, int(held * MEGABYTE)) for at, held in enumerate(megabytes)]
    return Memory({"feed_kraken": samples})


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([50, 100, 100, 100, 101, 100, 105, 110], []),  # grows while it warms up, and a little
        ([50, 100, 100, 100, 100, 100, 120, 120], ["grew from 100.0 to 120.0 MB in the second half"]),
        ([100, 100, 410, 100, 100, 100, 100, 100], ["held 410 MB, allowed are 400"]),
        ([100, 100], ["never lived for 300 s"]),
        ([], ["never lived for 300 s"]),
    ],
)
def test_a_feed_that_grows_fails_the_run(held: list[float], said: list[str]) -> None:
    """Beyond its limit at any moment, or over the second half of its longest life."""
    found = list(lived(*held).broken("feed_kraken", 400))
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def test_a_short_run_is_held_to_the_limit_alone() -> None:
    """What it cannot show it does not claim, and does not fail for."""
    assert list(lived(100, 110).broken("feed_kraken", 400, judged=False)) == []
    assert len(list(lived(100, 410).broken("feed_kraken", 400, judged=False))) == 1


def test_a_verdict_on_memory_fails_the_report() -> None:
    """A run in which no id was lost is no success for that."""
    found = report(Account(IntervalSet([(5, 9)]), records=5))
    found.failed += lived(50, 100, 100, 100, 100, 100, 120, 120).broken("feed_kraken", 400)
    assert not found.passed
