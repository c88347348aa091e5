"""What a commit tells: of its rows in the snapshot's summary, of its files to the metrics."""

import json
from typing import Any

import requests

from k2_shared.lake.tally import Tally

TOPIC = "market.crypto.trades.binance"
SIZES = ("file_size_in_bytes", "record_count")


def test_a_snapshot_says_from_which_to_which_offsets_it_goes(table: Any, make_batch: Any) -> None:
    """Of the partitions that it has rows of alone; the rows of a snapshot can be traced to Kafka without its parent."""
    owner = table.owner()
    owner.commit(make_batch(0, 5, partition=0))
    owner.commit(make_batch(0, 3, partition=1))
    owner.commit(make_batch(5, 6, partition=0))
    said = [json.loads(each.summary.additional_properties["sink.k2.batch"]) for each in table.load().snapshots()]
    assert said == [{TOPIC: {"0": [0, 5]}}, {TOPIC: {"1": [0, 3]}}, {TOPIC: {"0": [5, 6]}}]
    assert "sink.k2.batch" not in table.load().properties


def test_what_commits_came_to_is_told_once(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """Files and bytes of what stands in the table, also where the reply was lost, and conflicts with others."""

    def lose(real: Any) -> None:
        real()
        raise requests.ConnectionError("reset")

    owner, other = table.owner(), table.owner()
    wrap_commit(owner, lose)
    owner.commit(make_batch(0, 10))
    other.commit(make_batch(0, 1, partition=1))
    owner.commit(make_batch(10, 12))
    told = owner.tally()
    files = table.load().inspect.files()
    own = sum(size for size, rows in zip(*(files[c].to_pylist() for c in SIZES), strict=True) if rows != 1)
    assert (told.files, told.bytes) == (2, own)
    assert owner.tally() == Tally()
    assert other.tally().files == 1


def test_a_conflict_is_counted(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """However often it is met, the batch's file is one."""
    owner, other = table.owner(), table.owner()

    def meet(real: Any) -> Any:
        other.commit(make_batch(0, 1, partition=1))
        return real()

    wrap_commit(owner, meet)
    owner.commit(make_batch(0, 10))
    told = owner.tally()
    assert (told.conflicts, told.files) == (1, 1)
