"""Days that are tagged, and partitions whose retention is over, on the real catalog."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from k2_shared.core import contracts
from k2_shared.core.errors import Halt
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import retention
from k2_shared.lake.history import nearest_state
from k2_shared.lake.retries import at_table
from k2_shared.lake.sink_state import SinkState
from k2_shared.lake.table import Commit
from k2_shared.lake.upkeep import TAG_DAYS, KeptTable
from k2_support.lake import Lake, batch, before_commit
from k2_support.lake_history import lengthen
from k2_support.records import RECEIVED_NS

RECEIVED = datetime.fromtimestamp(RECEIVED_NS // 10**9, UTC)
SILVER = contracts.tables()["silver_kraken_trades"]
DAY = timedelta(days=1)


def kept(lake: Lake) -> KeptTable:
    return KeptTable(lake.connect().load_table(lake.identifier), at_table(5))


def commit(lake: Lake, start: int, end: int) -> None:
    owner = lake.owner()
    owner.state()
    owner.commit(batch(start, end))


def test_the_days_last_snapshot_is_tagged_once(table: Lake) -> None:
    """And not that of today, which is not over."""
    commit(table, 0, 3)
    head = table.load().current_snapshot()
    written = datetime.fromtimestamp(head.timestamp_ms / 1_000, UTC)
    assert kept(table).tag_day(written) is None
    assert kept(table).tag_day(written + DAY) == f"day-{written:%Y-%m-%d}"
    assert kept(table).tag_day(written + DAY) is None
    ref = table.load().refs()[f"day-{written:%Y-%m-%d}"]
    assert (ref.snapshot_id, ref.max_ref_age_ms) == (head.snapshot_id, TAG_DAYS * 86_400_000)


def test_a_busy_tables_day_is_tagged_though_what_came_next_is_expired(
    table: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day has two seconds here, with a commit every other millisecond; no child of its last one is left."""
    monkeypatch.setattr(retention, "DAY_MS", 2_000)
    commit(table, 0, 3)
    lengthen(table.load(), 1_500)
    times = {each.snapshot_id: each.timestamp_ms for each in table.load().snapshots()}
    midnight_ms = (max(times.values()) - 300) // 2_000 * 2_000
    last = max((at, each) for each, at in times.items() if at < midnight_ms)[1]
    now = datetime.fromtimestamp((midnight_ms + 1_999) / 1_000, UTC)
    for _ in range(2):
        kept(table).expire(0, now.timestamp)
    assert last not in {each.parent_snapshot_id for each in table.load().snapshots()}
    name = kept(table).tag_day(now)
    assert table.load().refs()[name].snapshot_id == last


def test_a_tag_goes_after_a_week_and_nothing_else_does(table: Lake) -> None:
    """Tags of others stay; a tag keeps its snapshot while it is there."""
    commit(table, 0, 3)
    first = table.load().current_snapshot()
    written = datetime.fromtimestamp(first.timestamp_ms / 1_000, UTC)
    kept(table).tag_day(written + DAY)
    table.load().manage_snapshots().create_tag(first.snapshot_id, "audited").commit()
    for days in (TAG_DAYS, TAG_DAYS + 1, TAG_DAYS + 2):
        kept(table).tag_day(written + days * DAY)
        found = {name for name in table.load().refs() if name != "main"}
        assert (f"day-{written:%Y-%m-%d}" in found) == (days <= TAG_DAYS)
        assert "audited" in found


def test_a_table_without_rows_has_no_day(table: Lake) -> None:
    """There is no snapshot to tag, and no partition to delete."""
    assert kept(table).tag_day(datetime.now(UTC)) is None
    assert kept(table).drop_old(7, datetime.now(UTC)) == []


def test_a_partition_goes_when_its_retention_is_over(table: Lake) -> None:
    """The day itself and as many as the retention has are kept; the sink's state stays."""
    commit(table, 0, 3)
    assert kept(table).drop_old(7, RECEIVED + 7 * DAY) == []
    (old,) = kept(table).old_partitions(7, RECEIVED + 8 * DAY)
    assert (old.day, old.rows) == (RECEIVED.date(), 3)
    assert table.offsets() == [0, 1, 2]
    assert [each.day for each in kept(table).drop_old(7, RECEIVED + 8 * DAY)] == [RECEIVED.date()]
    assert table.offsets() == []
    metadata = table.load().metadata
    assert SinkState.from_properties(metadata.properties, "k2") == nearest_state(metadata, "k2")
    commit(table, 3, 5)
    assert table.offsets() == [3, 4]


def test_what_is_appended_meanwhile_is_not_deleted(table: Lake) -> None:
    """A late row into a day that is just being deleted: the commit meets it, and looks again."""
    commit(table, 0, 3)
    maintained = kept(table)

    def appended_first(real: Any) -> Any:
        commit(table, 3, 5)
        return real()

    before_commit(maintained, appended_first)
    (old,) = maintained.drop_old(7, RECEIVED + 8 * DAY)
    assert old.rows == 5  # of that day too, and as old: both were looked at before they were deleted
    assert table.offsets() == []


@pytest.fixture
def silver(run_settings: RunSettings, names: Names) -> Iterator[Lake]:
    """An empty silver table, which is partitioned by the exchange's time."""
    made = Lake(names, SILVER)
    yield made
    made.catalog.drop_table(made.identifier)


def played(lake: Lake, offset: int, at: datetime, received: datetime) -> None:
    """A trade of some time, received at another."""
    row = {"exchange_date": at.date(), "timestamp": at, "ingestion_timestamp": received, "trade_id": str(offset)}
    topic = SILVER.topics[0]
    owner = lake.owner()
    owner.state()
    rows = pa.Table.from_pylist([row], schema=owner.arrow_schema)
    owner.commit(Commit(rows, {(topic, 0): offset}, {(topic, 0): offset + 1}))


def test_an_old_recording_is_kept_for_as_long_as_a_new_one(silver: Lake) -> None:
    """A trade of last year that was received today is a month's; one row of today keeps its day."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    long_ago = now - 400 * DAY
    played(silver, 0, long_ago, long_ago)
    played(silver, 1, long_ago + DAY, long_ago + DAY)
    played(silver, 2, long_ago + DAY, now)
    assert [each.day for each in kept(silver).drop_old(30, now)] == [long_ago.date()]
    assert sorted(silver.load().scan().to_arrow()["trade_id"].to_pylist()) == ["1", "2"]


def test_its_owner_is_named_where_the_table_is_gone(table: Lake) -> None:
    """A table that was recreated under the maintenance is another."""
    maintained = kept(table)
    table.catalog.drop_table(table.identifier)
    table.create()
    with pytest.raises(Halt, match="recreated under a running maintenance"):
        maintained.tag_day(datetime.now(UTC))
