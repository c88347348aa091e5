"""Rows of cold tables put back into an emptied warm tier, on the real ClickHouse, catalog and store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from k2_shared.cold.hours import Hour
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.restoring import Wanted, WarmRestore
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.replacement import HourlyTable
from k2_shared.lake.retries import at_table
from k2_support.warm_hours import fill
from k2_support.warm_tables import Row, WarmTables

COUNT, GONE = 300, 200
BEGINS = {("topic", partition): GONE for partition in range(12)}
"""Kafka has the records from there on."""


@dataclass
class Restored:
    """A table whose rows of one hour are in cold, and were in warm."""

    name: str
    tables: WarmTables
    restore: WarmRestore
    rows: list[Row]

    @property
    def stamp(self) -> str:
        """A column of time that is in no key."""
        return "validated_at" if self.name == "silver_trades" else "kafka_timestamp"

    @property
    def gone(self) -> list[Row]:
        """Those whose records Kafka has not any more."""
        return [row for row in self.rows if row["kafka_offset"] < GONE]

    def wanted(self, now: datetime | None = None, begins: dict[tuple[str, int], int] = BEGINS) -> Wanted:
        """All hours, as they are to be put back at a moment."""
        at = now or datetime.now(UTC)
        return self.restore.wanted(Hour(0), Hour.of(at), begins, at)

    def lacking(self, wanted: Wanted) -> int:
        """How many rows are to be put back."""
        return sum(self.restore.lacking(wanted).values())

    def found(self) -> list[Row]:
        """What the warm tier has now, as a reader finds it."""
        return self.tables.rows(self.name)


@pytest.fixture(params=["raw_trades", "bronze_trades", "silver_trades"])
def lost(request: pytest.FixtureRequest, tables: WarmTables, names: Names) -> Iterator[Restored]:
    """The warm tier is empty, and cold has what it had."""
    contract, settings = contracts.cold_tables()[request.param], LakeSettings.load()
    catalog = iceberg.connect(settings)
    fill(tables, contract.name, COUNT)
    made = HourlyTable(iceberg.create(catalog, names, contract), contract.name, contract.hour_by, at_table(5))
    offload = ColdOffload(contract, settings, tables.client, made)
    for found in list(offload.every(datetime.now(UTC))):
        offload.write(found, datetime.now(UTC))
    rows = tables.rows(contract.name)
    tables.command(f"TRUNCATE TABLE {contract.name}")
    restore = WarmRestore(contract, settings, tables.client, made)
    yield Restored(contract.name, tables, restore, rows)
    catalog.drop_table(iceberg.identifier(names, contract))


def test_rows_are_put_back_to_the_value(lost: Restored) -> None:
    """Nulls, bytes, maps and extreme decimals too; a repeat finds nothing to do and changes nothing."""
    wanted = lost.wanted()
    assert lost.lacking(wanted) == len(lost.gone) == GONE
    for _ in range(2):
        lost.restore.put_back(wanted)
        assert lost.found() == lost.gone
        assert lost.restore.lacking(wanted) == {}


def test_what_kafka_has_is_left_to_the_sink(lost: Restored) -> None:
    """Of another topic, or from where a partition begins, nothing is put back."""
    for begins in ({("other", 0): COUNT}, dict.fromkeys(BEGINS, 0), {}):
        wanted = lost.wanted(begins=begins)
        assert lost.restore.lacking(wanted) == {}
        lost.restore.put_back(wanted)
    assert lost.found() == []


def test_a_row_that_stands_is_left_as_it_is(lost: Restored) -> None:
    """Also where cold says something else of it."""
    stamp = 1_000
    lost.restore.put_back(lost.wanted())
    lost.tables.command(
        f"ALTER TABLE {lost.name} UPDATE {lost.stamp} = fromUnixTimestamp64Milli({stamp}, 'UTC') WHERE 1 "
        "SETTINGS mutations_sync = 1"
    )
    lost.tables.command(f"DELETE FROM {lost.name} WHERE kafka_offset = 7")  # noqa: S608  # its own
    assert lost.lacking(lost.wanted()) == 1
    lost.restore.put_back(lost.wanted())
    changed = [row["kafka_offset"] for row in lost.found() if row[lost.stamp] == stamp]
    assert (len(lost.found()), set(changed)) == (GONE, set(range(GONE)) - {7})


def test_rows_that_would_expire_at_once_stay_in_cold(lost: Restored) -> None:
    """The warm tier would delete them at its next merge."""
    kept = timedelta(hours=contracts.cold_tables()[lost.name].warm_retention_hours)
    assert lost.restore.lacking(lost.wanted(datetime.now(UTC) + kept + timedelta(hours=6))) == {}


def test_nothing_is_put_back_before_the_sink_has_begun(lost: Restored) -> None:
    """It would halt at rows of a topic that it has not noted."""
    with pytest.raises(ConfigError, match=f"warm_sink has not begun to fill {lost.name} from topic: start it"):
        lost.restore.check(BEGINS)
    lost.tables.command(f"INSERT INTO sink_state SELECT '{lost.name}', 'topic', 'cluster', 'id', 12, now64(6, 'UTC')")
    lost.restore.check(BEGINS)
