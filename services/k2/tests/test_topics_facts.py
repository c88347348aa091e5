"""What is counted, chosen and compared before a topic is shown."""

from datetime import UTC, datetime

import pytest

from k2.topics.choice import choose
from k2.topics.contract import differences
from k2.topics.facts import Lag
from k2.topics.scan import Scan
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError
from k2_shared.kafka.topics import GOLD
from k2_support.records import FakeRecord

THERE = ["p.market.trades.gold", "p.market.trades.gold.state", "p.market.trades.silver.kraken", "other.gold"]


def record(offset: int, timestamp: int) -> FakeRecord:
    """One consumed record."""
    return FakeRecord(b"k", b"v", "t", timestamp=timestamp, offset=offset)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("market.trades.gold", ["p.market.trades.gold"]),
        ("p.market.trades.gold", ["p.market.trades.gold"]),
        ("state", ["p.market.trades.gold.state"]),
        ("kraken", ["p.market.trades.silver.kraken"]),
        ("*gold*", ["other.gold", "p.market.trades.gold", "p.market.trades.gold.state"]),
        ("market.*.k?aken", ["p.market.trades.silver.kraken"]),
    ],
)
def test_a_topic_is_meant_by_its_name_a_part_or_a_pattern(given: str, meant: list[str]) -> None:
    """With the run's prefix or without it."""
    assert choose(given, THERE, "p.") == meant


def test_the_end_of_a_name_is_enough_where_others_go_on() -> None:
    """``gold`` is the topic of that name, and not its state."""
    assert choose("gold", THERE[:3], "p.") == ["p.market.trades.gold"]


@pytest.mark.parametrize(
    ("given", "says"), [("trades", "means several: p."), ("dlq", "means none of: other.gold"), ("*x*", "means none")]
)
def test_what_means_no_topic_or_several_is_refused(given: str, says: str) -> None:
    """The line says which there are."""
    with pytest.raises(ConfigError, match=says):
        choose(given, THERE, "p.")


def test_a_partition_that_holds_nothing_has_no_times() -> None:
    """Nor does anybody lag in it."""
    scan = Scan(0, [0])
    scan.add([])
    assert (scan.records, scan.first_ms, scan.last_ms, scan.unread[0].records, scan.unread[0].since_ms) == (
        0,
        None,
        None,
        0,
        None,
    )


def test_records_are_counted_behind_every_reader() -> None:
    """Offsets without a record are none: here 3 to 6 are markers and aborted records."""
    scan = Scan(recent_from_ms=40, readers=[0, 2, 5, 8, 9])
    scan.add([record(0, 10), record(1, 20), record(2, 30)])
    scan.add([record(7, 40), record(8, 50)])
    assert (scan.records, scan.recent, scan.first_ms, scan.last_ms) == (5, 2, 10, 50)
    assert {offset: (each.records, each.since_ms) for offset, each in scan.unread.items()} == {
        0: (5, 10),
        2: (3, 30),
        5: (2, 40),
        8: (1, 50),
        9: (0, None),
    }


def test_a_groups_lag_over_partitions_is_as_old_as_the_oldest() -> None:
    """And an estimate as soon as one is."""
    assert Lag(3, 2.0) + Lag() + Lag(4, 9.5, estimated=True) == Lag(7, 9.5, estimated=True)
    assert Lag() + Lag() == Lag(0, None)


def test_a_topic_as_its_contract_says_differs_in_nothing() -> None:
    """Partitions and every setting that the contract names are compared."""
    contract = contracts.topics()[GOLD]
    assert differences(contract, contract.partitions, contract.config) == []
    assert differences(contract, 3, contract.config | {"cleanup.policy": "compact"}) == [
        "3 partitions, not 12",
        "cleanup.policy is compact, not delete",
    ]
    assert "retention.ms is not told, not -1" in differences(contract, 12, {})


def test_the_facts_speak_of_one_moment() -> None:
    """Records that are as old as the limit are recent."""
    now_ms = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e3)
    scan = Scan(now_ms)
    scan.add([record(0, now_ms - 1), record(1, now_ms)])
    assert scan.recent == 1
