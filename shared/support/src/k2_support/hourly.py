"""A table of a test's own whose hours are replaced, on the real catalog, and what stands in it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from k2_shared.core import contracts
from k2_shared.core.contracts import Column, PartitionField, TableContract
from k2_shared.core.retries import RetryBudget
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.replacement import HOUR, ComparedHour, HourlyTable
from k2_shared.lake.retries import at_table
from k2_support.lake import Lake

CONTRACT = TableContract(
    name="hourly_trades",
    purpose="A table whose hours are replaced.",
    topics=(),
    rows="trade_v3",
    columns=(
        Column("exchange", "string", "the venue"),
        Column("symbol", "string", "BASE/QUOTE"),
        Column("timestamp", "timestamptz", "what hours go by; null where a row has none"),
        Column("source_sequence", "long", "what tells rows apart"),
        Column("price", "decimal(18, 8)", "exact"),
    ),
    partition_by=(PartitionField("timestamp", "day"), PartitionField("exchange", "identity")),
    sort_by=("symbol", "timestamp", "source_sequence"),
    retention_days=None,
    properties=contracts.tables()["gold_crypto_trades"].properties,
)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
_PAIRS = (("KRAKEN", "BTC/USD"), ("BINANCE", "ETH/USDT"), ("KRAKEN", "ADA/EUR"))


def hour_at(number: int) -> datetime:
    """When an hour begins: 0 is the first of a day, -1 the last of the month before."""
    return MIDNIGHT + number * HOUR


def sequences(number: int, count: int) -> list[int]:
    """The numbers of an hour's rows, from its lowest up."""
    return [(number + 100) * 1_000 + each for each in range(count)]


def rows_of(ids: Iterable[int]) -> pa.Table:
    """Rows by their numbers, in an order that is not the table's, over the whole of their hours."""
    made = [_row(each) for each in sorted(ids, reverse=True)]
    return pa.Table.from_pylist(made, schema=iceberg.schema_of(CONTRACT).as_arrow())


def _row(sequence: int) -> dict[str, Any]:
    hour, place = divmod(sequence, 1_000)
    exchange, symbol = _PAIRS[sequence % len(_PAIRS)]
    last = timedelta(microseconds=3_599_999_999)  # the hour's first and last moments have a row too
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timestamp": hour_at(hour - 100) + min(place * last / 9, last),
        "source_sequence": sequence,
        "price": Decimal(sequence).scaleb(-8),
    }


def compared(number: int, ids: Iterable[int], base: int | None, fingerprint: str | None = None) -> ComparedHour:
    """An hour that is to have these rows; its fingerprint is made of their numbers."""
    wanted = sorted(ids)
    return ComparedHour(hour_at(number), len(wanted), fingerprint or f"{len(wanted)}-{sum(wanted)}", base)


class Hourly(Lake):
    """The test's table as its owners see it, each over a catalog of its own, and as a reader does."""

    def hours(self, attempts: int = 30, retries: RetryBudget | None = None) -> HourlyTable:
        """An owner of the table."""
        found = self.connect().load_table(self.identifier)
        return HourlyTable(found, CONTRACT.name, "timestamp", retries or at_table(attempts))

    def put(self, number: int, ids: list[int], owner: HourlyTable | None = None) -> bool:
        """Compare an hour with the table as it is, and write it in slices of one row or more."""
        owner = owner or self.hours()
        hour = compared(number, ids, owner.head().snapshot_id)
        return owner.replace(hour, [rows_of(ids[::2]), rows_of(ids[1::2])])

    def found(self, snapshot_id: int | None = None) -> list[int]:
        """The numbers of all rows as a reader of a snapshot finds them, sorted, each as often as it is there."""
        scan = self.load().scan(selected_fields=("source_sequence",), snapshot_id=snapshot_id)
        return sorted(scan.to_arrow()["source_sequence"].to_pylist())

    def history(self) -> list[list[int]]:
        """What a reader of each snapshot finds, the oldest first."""
        return [self.found(snapshot.snapshot_id) for snapshot in self.load().snapshots()]

    def referred_ever(self) -> set[str]:
        """The data files of all snapshots."""
        return set(self.load().inspect.all_files()["file_path"].to_pylist())

    def summary(self) -> dict[str, str]:
        """What the newest snapshot's writer says of it."""
        summary: dict[str, str] = self.load().current_snapshot().summary.additional_properties
        return summary


@pytest.fixture
def hourly(run_settings: RunSettings, names: Names, request: pytest.FixtureRequest) -> Iterator[Hourly]:
    """An empty table of hours, by day and venue; by what the test is given as its parameter."""
    made = Hourly(names, replace(CONTRACT, partition_by=getattr(request, "param", CONTRACT.partition_by)))
    yield made
    made.catalog.drop_table(made.identifier)
