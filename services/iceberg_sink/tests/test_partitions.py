"""Which partition of gold a row is written to: by its exchange's time alone, whatever batch it came in."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq

from iceberg_sink.rows import gathered, trades
from k2_shared.core import contracts
from k2_shared.kafka.identities import Identity
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_support.records import SCHEMAS, records, trade

CONTRACT = contracts.tables()["gold_crypto_trades"]
TOPIC = CONTRACT.topics[0]
MIDNIGHT = datetime(2025, 11, 11, tzinfo=UTC)


def commit(tables: Any, minutes: list[float], start: int = 0) -> None:
    """Commit trades as one batch, each so many minutes from midnight."""
    table = LakeTable(tables.load(CONTRACT.name), "k2", Identity("cluster", {TOPIC: "id"}), at_table(5))
    times = [int((MIDNIGHT + timedelta(minutes=each)).timestamp() * 1e6) for each in minutes]
    made = [trade(trade_id=start + n, timestamp=at) for n, at in enumerate(times, start=1)]
    rows = trades(table.arrow_schema, {TOPIC: SCHEMAS})(records(made, TOPIC))
    table.commit(Commit(gathered([rows], CONTRACT.sort_by), {(TOPIC, 0): start}, {(TOPIC, 0): start + len(made)}))


def partitions(tables: Any) -> dict[tuple[date, int], list[str]]:
    """The ids of the trades of each partition's files, in the order of the files' rows."""
    table, found = tables.load(CONTRACT.name), dict[tuple[date, int], list[str]]()
    for file in table.inspect.files().sort_by("file_path").to_pylist():
        at = (file["partition"]["exchange_date"], file["partition"]["exchange_hour"])
        with table.io.new_input(file["file_path"]).open() as opened:
            rows = pq.read_table(opened).to_pylist()
        assert {(row["exchange_date"], row["exchange_hour"]) for row in rows} == {at}
        found.setdefault(at, []).extend(row["trade_id"] for row in rows)
    return found


def test_a_batch_over_midnight_lands_in_both_days(tables: Any) -> None:
    """In one commit; each file has rows of one hour alone, and has them in order."""
    commit(tables, [0.1, -0.1, 0.0, -0.2])
    assert partitions(tables) == {(date(2025, 11, 10), 23): ["4", "2"], (date(2025, 11, 11), 0): ["3", "1"]}
    assert len(tables.load(CONTRACT.name).snapshots()) == 1


def test_a_late_trade_lands_in_its_own_hour(tables: Any) -> None:
    """Beside what had been written there when it was time, and not where the batch's others go."""
    commit(tables, [-120, -119])
    commit(tables, [30, -118.5, 31], start=2)
    found = partitions(tables)
    assert {at: sorted(ids) for at, ids in found.items()} == {
        (date(2025, 11, 10), 22): ["1", "2", "4"],
        (date(2025, 11, 11), 0): ["3", "5"],
    }


def test_a_query_of_an_hour_opens_that_hours_files_alone(tables: Any) -> None:
    """The partition is known before a file is opened."""
    commit(tables, [-90, -30, 30, 90])
    wanted = "exchange_date = '2025-11-11' and exchange_hour = 0"
    (task,) = tables.load(CONTRACT.name).scan(row_filter=wanted).plan_files()
    assert "exchange_hour=0/" in task.file.file_path
