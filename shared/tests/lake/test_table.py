"""The table side of the sink on the real catalog: rows and offsets together, exactly once, whatever is lost."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from pyiceberg.exceptions import CommitStateUnknownException
from structlog.testing import capture_logs

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.kafka.identities import Identity
from k2_shared.lake.owned import CONFLICT
from k2_shared.lake.sink_state import SinkState, World, check_world
from k2_shared.lake.table import LakeTable, Superseded

TOPIC = "market.crypto.trades.binance"
KAFKA = Identity("cluster-1", {TOPIC: "topic-1"})


def test_rows_and_state_are_one_snapshot(table: Any, make_batch: Any) -> None:
    """The offsets stand in the snapshot's summary and, equal, in the table's properties."""
    owner = table.owner()
    assert owner.state() is None
    committed = owner.commit(make_batch(0, 10))
    assert committed.offsets == {(TOPIC, 0): 10}
    assert (committed.cluster_id, committed.topic_ids, committed.table_uuid) == (
        "cluster-1",
        KAFKA.topic_ids,
        owner.uuid,
    )
    found = table.load()
    assert len(found.snapshots()) == 1
    summary = found.current_snapshot().summary.additional_properties
    assert SinkState.from_properties(summary, "k2") == SinkState.from_properties(found.properties, "k2") == committed
    assert table.offsets() == list(range(10))
    assert table.owner().state() == committed


def test_offsets_of_all_partitions_are_carried_on(table: Any, make_batch: Any) -> None:
    """A commit moves its own partitions and repeats the others."""
    owner = table.owner()
    owner.commit(make_batch(0, 5, partition=0))
    owner.commit(make_batch(0, 3, partition=1))
    owner.commit(make_batch(5, 6, partition=0))
    assert owner.state().offsets == {(TOPIC, 0): 6, (TOPIC, 1): 3}
    assert (table.offsets(0), table.offsets(1)) == (list(range(6)), list(range(3)))
    assert table.stored() == table.referred()


@pytest.mark.parametrize("error", [requests.ConnectionError("reset"), CommitStateUnknownException("504"), OSError("x")])
def test_a_commit_whose_reply_was_lost_is_in_the_table_once(
    table: Any, make_batch: Any, wrap_commit: Any, error: Exception
) -> None:
    """It is found by its id instead of being repeated."""

    def lose(real: Any) -> None:
        real()
        raise error

    owner = table.owner()
    wrap_commit(owner, lose)
    assert owner.commit(make_batch(0, 10)).offsets == {(TOPIC, 0): 10}
    assert table.offsets() == list(range(10))
    assert len(table.load().snapshots()) == 1


def test_a_lost_reply_behind_somebody_elses_commit_keeps_its_files(
    table: Any, make_batch: Any, wrap_commit: Any
) -> None:
    """The nearest state is the other's by then; the commit is in the history, and its files must stay."""
    owner, other = table.owner(), table.owner()

    def lose(real: Any) -> None:
        real()
        other.commit(make_batch(0, 4, partition=1))
        raise requests.ConnectionError("reset")

    wrap_commit(owner, lose)
    assert owner.commit(make_batch(0, 10)).offsets == {(TOPIC, 0): 10, (TOPIC, 1): 4}
    assert (table.offsets(0), table.offsets(1)) == (list(range(10)), list(range(4)))
    assert table.stored() == table.referred()


def test_a_commit_that_did_not_arrive_is_sent_again(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """With the same files, so there are no orphans."""

    def refuse(real: Any) -> None:
        raise requests.ConnectionError("refused")

    owner = table.owner()
    wrap_commit(owner, refuse)
    owner.commit(make_batch(0, 10))
    assert table.offsets() == list(range(10))
    assert table.stored() == table.referred()


def test_attempts_are_bounded(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """A catalog that never says yes ends the sink."""

    def refuse(real: Any) -> None:
        raise requests.ConnectionError("refused")

    owner = table.owner(attempts=1)
    wrap_commit(owner, refuse)
    with pytest.raises(Unavailable, match=r"bronze_crypto_trades could not be committed in 1 attempts"):
        owner.commit(make_batch(0, 10))
    assert table.offsets() == []


def test_a_superseded_owner_drops_its_files(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """The other's rows stand alone; the first learns where the table is."""
    owner, other = table.owner(), table.owner()
    wrote: list[set[str]] = []

    def overtake(real: Any) -> Any:
        wrote.append(table.stored())
        other.commit(make_batch(0, 7))
        return real()

    wrap_commit(owner, overtake)
    with pytest.raises(Superseded):
        owner.commit(make_batch(0, 10))
    assert owner.state().offsets == {(TOPIC, 0): 7}
    assert len(wrote[0]) == 1
    assert table.stored() == table.referred()
    assert not wrote[0] & table.stored()
    assert table.offsets() == list(range(7))
    owner.commit(make_batch(7, 10))
    assert table.offsets() == list(range(10))


def test_a_superseded_owner_that_has_written_nothing_drops_nothing(table: Any, make_batch: Any) -> None:
    """It is told before any file is made, also by a table that is behind its start."""
    table.owner().commit(make_batch(0, 7))
    for start in (0, 9):
        with pytest.raises(Superseded):
            table.owner().commit(make_batch(start, 10))
    assert table.stored() == table.referred()


def test_a_crash_before_the_commit_leaves_orphans_only(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """The files are in the store, no row is in the table, and the next owner begins where the table is."""

    class Killed(BaseException):
        pass

    def kill(real: Any) -> None:
        raise Killed

    owner = table.owner()
    wrap_commit(owner, kill)
    with pytest.raises(Killed):
        owner.commit(make_batch(0, 10))
    assert len(table.stored()) == 1
    assert table.offsets() == []
    assert table.owner().state() is None
    table.owner().commit(make_batch(0, 10))
    assert table.offsets() == list(range(10))
    assert len(table.stored() - table.referred()) == 1


def run_to(owner: LakeTable, make_batch: Any, partition: int, end: int, seed: int) -> int:
    """Commit small batches from where the table is until a partition is at ``end``; returns how often overtaken."""
    rng, overtaken = random.Random(seed), 0
    position = _position(owner, partition)
    while position < end:
        step = min(end, position + rng.randint(1, 4))
        try:
            owner.commit(make_batch(position, step, partition))
            position = step
        except Superseded:
            overtaken += 1
            position = _position(owner, partition)
    return overtaken


def _position(owner: LakeTable, partition: int) -> int:
    state = owner.state()
    return state.offsets.get((TOPIC, partition), 0) if state else 0


def contend(table: Any, make_batch: Any, wrap_commit: Any, ends: dict[int, int], partitions: list[int]) -> list[int]:
    """Two owners at once, whose first commits start from the same snapshot: one of them must be refused."""
    together = threading.Barrier(2)

    def meet(real: Any) -> Any:
        together.wait(30)
        return real()

    owners = [table.owner(), table.owner()]
    for owner in owners:
        wrap_commit(owner, meet)
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(run_to, owner, make_batch, partition, ends[partition], seed)
            for seed, (owner, partition) in enumerate(zip(owners, partitions, strict=True))
        ]
        return [run.result() for run in runs]


def test_owners_of_different_partitions_contend_and_lose_nothing(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """Every conflict is resolved by going again from what the table says; nobody is superseded."""
    with capture_logs() as logs:
        assert contend(table, make_batch, wrap_commit, {0: 15, 1: 15}, [0, 1]) == [0, 0]
    assert CONFLICT in {line["event"] for line in logs}
    assert (table.offsets(0), table.offsets(1)) == (list(range(15)), list(range(15)))
    assert table.stored() == table.referred()


def test_two_owners_of_the_same_partition_double_nothing(table: Any, make_batch: Any, wrap_commit: Any) -> None:
    """Both work through the same records; each is in the table once."""
    assert sum(contend(table, make_batch, wrap_commit, {0: 20}, [0, 0])) > 0
    assert table.offsets() == list(range(20))
    assert table.stored() == table.referred()


def test_a_rolled_back_table_halts(table: Any, make_batch: Any) -> None:
    """The properties remember what the snapshots have forgotten."""
    owner = table.owner()
    owner.commit(make_batch(0, 5))
    first = table.load().current_snapshot().snapshot_id
    owner.commit(make_batch(5, 10))
    table.load().manage_snapshots().rollback_to_snapshot(first).commit()
    assert table.offsets() == list(range(5))
    for holder in (owner, table.owner()):
        with pytest.raises(Halt, match="rolled back or changed by hand"):
            holder.commit(make_batch(10, 12))


def test_a_property_changed_by_hand_halts(table: Any, make_batch: Any) -> None:
    """Neither of the two is believed."""
    owner = table.owner()
    owner.commit(make_batch(0, 5))
    with table.load().transaction() as transaction:
        transaction.set_properties({"sink.k2.offsets": f'{{"{TOPIC}":{{"0":3}}}}'})
    with pytest.raises(Halt, match="rolled back or changed by hand"):
        owner.state()


def test_a_recreated_table_halts_a_running_sink(table: Any, make_batch: Any) -> None:
    """The same name is not the same table."""
    owner = table.owner()
    owner.commit(make_batch(0, 5))
    table.catalog.drop_table(table.identifier)
    table.create()
    with pytest.raises(Halt, match="recreated under a running sink"):
        owner.commit(make_batch(5, 10))
    assert table.offsets() == []


def test_a_table_that_was_fed_from_another_cluster_halts(table: Any, make_batch: Any) -> None:
    """What the table says about where its rows came from is held against where we read now."""
    state = table.owner().commit(make_batch(0, 5))
    uuid = table.owner().uuid
    check_world(state, World(uuid, KAFKA, {}))
    with pytest.raises(Halt, match="another cluster"):
        check_world(state, World(uuid, Identity("cluster-2", KAFKA.topic_ids), {}))


def test_other_commits_do_not_hide_the_state(table: Any, make_batch: Any) -> None:
    """A snapshot of somebody else, as of compaction, has no state; the nearest ancestor's counts."""
    owner = table.owner()
    committed = owner.commit(make_batch(0, 5))
    table.load().append(make_batch(100, 101, partition=7).rows)
    assert owner.state() == committed
    owner.commit(make_batch(5, 8))
    assert table.offsets() == list(range(8))
