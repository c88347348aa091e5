"""The offload of a table whose warm hour changes meanwhile: what was compared is compared anew."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from k2_shared.cold.hours import Chunk, Hour, Verdict
from k2_shared.cold.offload import ColdOffload, HourComparison
from k2_shared.core import contracts
from k2_shared.core.errors import Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.replacement import HourlyTable
from k2_shared.lake.retries import at_table
from k2_support.warm_hours import fill
from k2_support.warm_tables import WarmTables

CONTRACT = contracts.cold_tables()["silver_trades"]
COUNT = 300


@pytest.fixture
def offload(tables: WarmTables, names: Names) -> Iterator[ColdOffload]:
    """An hour of silver's trades, not offloaded yet."""
    settings = LakeSettings.load()
    catalog = iceberg.connect(settings)
    fill(tables, "silver_trades", COUNT)
    made = HourlyTable(iceberg.create(catalog, names, CONTRACT), CONTRACT.name, CONTRACT.hour_by, at_table(5))
    yield ColdOffload(CONTRACT, settings, tables.client, made)
    catalog.drop_table(iceberg.identifier(names, CONTRACT))


def compared(offload: ColdOffload, hour: Hour | None = None) -> HourComparison:
    """The one hour as it is now."""
    now = datetime.now(UTC)
    (chunk,) = offload.chunks(now, hour, hour)
    (found,) = offload.compared(now, chunk.first, chunk.last)
    return found


def later(tables: WarmTables, offset: int) -> None:
    """A row comes late."""
    tables.command(
        f"INSERT INTO silver_trades SELECT * REPLACE({offset} AS kafka_offset) FROM silver_trades LIMIT 1"  # noqa: S608
    )


def test_an_hour_is_compared_written_and_equal(offload: ColdOffload) -> None:
    """By all that warm has, and by its own bounds alone."""
    found = compared(offload)
    assert (found.verdict, found.cold) == (Verdict.TO_WRITE, None)
    after = offload.write(found, datetime.now(UTC))
    assert after == compared(offload) == compared(offload, found.hour)
    assert after.verdict is Verdict.EQUAL
    assert after.warm is not None
    assert after.warm.fingerprint.rows == COUNT


def test_rows_that_come_after_the_comparison_are_written_too(offload: ColdOffload, tables: WarmTables) -> None:
    """The first time and later on, when cold has the hour."""
    for more in (1, 2):
        later(tables, 9_000 + 10 * more)
        before = compared(offload)
        later(tables, 9_001 + 10 * more)
        after = offload.write(before, datetime.now(UTC))
        assert after.verdict is Verdict.EQUAL
        assert after.cold is not None
        assert after.cold.fingerprint.rows == COUNT + 2 * more


def test_an_hour_that_loses_rows_after_the_comparison_is_not_written(offload: ColdOffload, tables: WarmTables) -> None:
    """Cold keeps what it has; the next comparison says what is wrong."""
    offload.write(compared(offload), datetime.now(UTC))
    later(tables, 9_000)
    before = compared(offload)
    tables.command("DELETE FROM silver_trades WHERE kafka_offset < 5")
    with pytest.raises(Unavailable, match="silver_trades changed while it was offloaded"):
        offload.write(before, datetime.now(UTC))
    found = compared(offload)
    assert found.verdict is Verdict.WOULD_SHRINK
    assert found.cold is not None
    assert found.cold.fingerprint.rows == COUNT


def test_without_rows_there_is_nothing_to_compare(offload: ColdOffload, tables: WarmTables) -> None:
    """Of an hour that no tier has."""
    tables.command("TRUNCATE TABLE silver_trades")
    now, hour = datetime.now(UTC), Hour(0)
    assert offload.chunks(now) == []
    assert offload.chunks(now, hour) == offload.chunks(now, None, hour) == [Chunk(hour, hour, 0)]
    assert offload.compared(now, hour, hour) == []
