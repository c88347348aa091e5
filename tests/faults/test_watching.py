"""The watchers of offsets and states find what they watch for; the reference deduplicator is right where it is hard."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from aiokafka import TopicPartition
from tests.faults.deliveries import Place
from tests.faults.observed import Facts, Seen, facts
from tests.faults.offsets import OffsetWatch
from tests.faults.reference import verdicts
from tests.faults.states import RELEASED, RESTORED, State, disagreements, latest

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names, partition_for

AT = TopicPartition("in", 3)
KEY = b"KRAKEN:BTC/USDT"
PARTITION = partition_for(KEY, 12)
TRADE = Facts("KRAKEN:BTC/USDT:1", Decimal(2), Decimal(3), "BUY")


def watched(*samples: tuple[int, int]) -> list[str]:
    """What a watch says of samples of one committed offset and the last stable offset of its partition."""
    watch = OffsetWatch(RunSettings.load(), Names(""))
    for committed, stable in samples:
        watch.compare({"gold": {AT: committed}}, {AT: stable})
    return [str(violation) for violation in watch.violations]


def test_an_offset_that_goes_back_is_found() -> None:
    """One that stays or advances is not."""
    assert watched((5, 9), (5, 9), (9, 9)) == []
    assert watched((5, 9), (4, 9)) == ["in[3]@4: expected gold to have committed 5 or more, found less"]


def test_an_offset_beyond_the_last_stable_one_is_found() -> None:
    """Nobody may have read there."""
    assert watched((10, 9)) == ["in[3]@10: expected gold within 9, found a commit beyond"]


def test_another_state_after_a_restart_is_found() -> None:
    """Another digest, no restored state, or another number of ids than gold has."""
    lived = {AT: State(7, "aa")}
    assert disagreements(lived, lived, {AT: 7}) == []
    assert disagreements(lived, {AT: State(7, "bb")}, {AT: 7})
    assert disagreements(lived, {}, {AT: 7})
    assert disagreements({}, {}, {AT: 7})
    assert disagreements(lived, lived, {AT: 8})


def test_the_newest_state_counts_over_all_logs(tmp_path: Path) -> None:
    """By the time that stands in the lines; what is no JSON is no state."""
    logs = [tmp_path / name for name in ("one", "two")]
    for log, second, digest in zip(logs, (9, 1), ("new", "old"), strict=True):
        line = {"event": RELEASED, "timestamp": f"2026-01-01T00:00:0{second}Z", "topic": "in", "partition": 3}
        log.write_text("not JSON\n" + json.dumps({**line, "ids": 1, "digest": digest}) + "\n")
    assert latest(logs, RELEASED) == {AT: State(1, "new")}
    assert latest(logs, RESTORED) == {}


def silver(offset: int, trade: Facts, partition: int = PARTITION) -> Seen:
    return Seen(Place("silver", partition, offset), KEY, b"", "", trade)


def test_the_reference_tells_repeats_apart() -> None:
    """By price, quantity and side against the first occurrence, which a conflict does not replace."""
    other = replace(TRADE, price=Decimal(5))
    sold = replace(TRADE, side="SELL")
    more = replace(TRADE, quantity=Decimal("3.00000001"))
    records = [silver(n, trade) for n, trade in enumerate([TRADE, TRADE, other, other, sold, more, TRADE])]
    said = verdicts(records, 12)
    found = [said[record.at] for record in records]
    assert found == ["new", "duplicate", "conflict", "conflict", "conflict", "conflict", "duplicate"]


def test_the_reference_refuses_what_lies_astray() -> None:
    """It does not make the trade known: in its own partition it is new."""
    records = [silver(0, TRADE, partition=(PARTITION + 1) % 12), silver(0, TRADE)]
    assert list(verdicts(records, 12).values()) == ["foreign_partition", "new"]


def test_what_cannot_be_decoded_is_no_trade() -> None:
    """Where it should not be, the verifier must still be able to say so."""
    assert facts(b"garbage", 7).message_id.startswith("bad_magic")
