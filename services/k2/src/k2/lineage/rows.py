"""The rows of a trade in the tables, and when each was committed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pyiceberg.expressions import And, BooleanExpression, EqualTo
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table

from k2.lineage.path import Hop, MessageId
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg


def rows(settings: LakeSettings, names: Names, of: MessageId, timestamp_us: int) -> list[Hop]:
    """Every row of a trade in the tables of silver and gold. Blocks.

    Raises:
        K2Error, OSError, pyiceberg's and requests' errors: catalog or store do not answer.
    """
    catalog = iceberg.connect(settings)
    found = []
    for contract in contracts.tables().values():
        if contract.rows == "trade_v3" and any(
            of.exchange.lower() in topic or "gold" in topic for topic in contract.topics
        ):
            table = catalog.load_table(iceberg.identifier(names, contract))
            found += [Hop("table", contract.name, at_us, said=said) for at_us, said in _rows(table, of, timestamp_us)]
    return found


def _rows(table: Table, of: MessageId, timestamp_us: int) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The commit's time and the snapshot of each row; the time is not known where the snapshot was expired."""
    times: dict[Any, int] = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in table.snapshots()}
    scan = table.scan(row_filter=_filter(table, of, timestamp_us), selected_fields=("message_id",))
    tasks = list(scan.plan_files())
    if not tasks:
        return
    entries = table.inspect.entries().to_pylist()
    snapshots = {entry["data_file"]["file_path"]: entry["snapshot_id"] for entry in entries}
    reader = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
    for task in tasks:
        snapshot = snapshots.get(task.file.file_path)
        at_ms = times.get(snapshot)
        for _ in range(reader.to_table([task]).num_rows):
            yield None if at_ms is None else at_ms * 1_000, {"snapshot": snapshot, "file": task.file.file_path}


def _filter(table: Table, of: MessageId, timestamp_us: int) -> BooleanExpression:
    """Its id, and where the table has them the date and hour of its exchange time, which spares the other files."""
    traded = datetime.fromtimestamp(timestamp_us / 1e6, UTC)
    near = {"exchange_date": traded.date().isoformat(), "exchange_hour": traded.hour}
    wanted: BooleanExpression = _equal("message_id", str(of))
    for name in near.keys() & set(table.schema().column_names):
        wanted = And(wanted, _equal(name, near[name]))
    return wanted


def _equal(name: str, value: Any) -> BooleanExpression:
    return EqualTo(name, value)  # type: ignore[call-arg,arg-type]  # as its documentation has it
