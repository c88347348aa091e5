"""A bronze table of a test's own on the real catalog, and what stands in it, as fixtures to import."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import fs
from pyiceberg.catalog import Catalog

from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.retries import RetryBudget
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.owned import OwnedTable
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_support.lake_history import lengthen
from k2_support.records import RECEIVED_NS, trade, value

CONTRACT = contracts.tables()["bronze_crypto_trades"]
TOPIC = CONTRACT.topics[0]
KAFKA = Identity("cluster-1", {TOPIC: "topic-1"})


class Lake:
    """The test's table as its owners see it, each over a catalog of its own, and as a reader does."""

    def __init__(self, names: Names, contract: TableContract = CONTRACT) -> None:
        self.names = names
        self.contract = contract
        self.catalog = self.connect()
        self.create()

    def connect(self) -> Catalog:
        return iceberg.connect(LakeSettings.load())

    def create(self) -> None:
        iceberg.create(self.catalog, self.names, self.contract)

    @property
    def identifier(self) -> tuple[str, str]:
        return iceberg.namespace(self.names), self.contract.name

    def load(self) -> Any:
        return self.catalog.load_table(self.identifier)

    def owner(self, kafka: Identity = KAFKA, attempts: int = 30, retries: RetryBudget | None = None) -> LakeTable:
        return LakeTable(self.connect().load_table(self.identifier), "k2", kafka, retries or at_table(attempts))

    def offsets(self, partition: int = 0) -> list[int]:
        """The offsets of a partition's rows, sorted."""
        found = self.load().scan(row_filter=f"partition = {partition}", selected_fields=("offset",)).to_arrow()
        return sorted(found["offset"].to_pylist())

    def stored(self, folder: str = "data") -> set[str]:
        """The files of a folder of the table in the object store, referred to or not."""
        settings = LakeSettings.load()
        secret = settings.s3_secret_access_key
        store = fs.S3FileSystem(
            endpoint_override=settings.s3_endpoint,
            access_key=settings.s3_access_key_id,
            secret_key=secret.get_secret_value() if secret else None,
            region=settings.s3_region,
        )
        path = f"{self.load().location().removeprefix('s3://')}/{folder}"
        found = store.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        return {f"s3://{entry.path}" for entry in found if entry.is_file}

    def referred(self) -> set[str]:
        """The data files of the current snapshot."""
        return set(self.load().inspect.files()["file_path"].to_pylist())


def batch(start: int, end: int, partition: int = 0) -> Commit:
    """A commit of one partition's records from ``start`` up to ``end``."""
    made = [_row(partition, offset) for offset in range(start, end)]
    rows = pa.Table.from_pylist(made, schema=iceberg.schema_of(CONTRACT).as_arrow())
    return Commit(rows, {(TOPIC, partition): start}, {(TOPIC, partition): end})


def _row(partition: int, offset: int) -> dict[str, Any]:
    received = datetime.fromtimestamp(RECEIVED_NS // 10**9, UTC)
    return {
        "topic": TOPIC,
        "partition": partition,
        "offset": offset,
        "avro_payload": value(trade(trade_id=offset + 1)),
        "ingestion_timestamp": received,
        "ingestion_date": received.date(),
    }


def before_commit(table: OwnedTable, hook: Callable[[Callable[[], Any]], Any]) -> None:
    """Wrap the first commit that a table sends to its catalog; ``hook`` gets the real call."""
    catalog = table._table.catalog
    real, armed = catalog.commit_table, [True]

    def commit(*args: Any, **kwargs: Any) -> Any:
        if armed:
            armed.clear()
            return hook(lambda: real(*args, **kwargs))
        return real(*args, **kwargs)

    catalog.commit_table = commit  # type: ignore[method-assign]


@pytest.fixture
def table(run_settings: RunSettings, names: Names) -> Iterator[Lake]:
    """An empty bronze table."""
    made = Lake(names)
    yield made
    made.catalog.drop_table(made.identifier)


@pytest.fixture
def make_batch() -> Callable[..., Commit]:
    return batch


@pytest.fixture
def wrap_commit() -> Callable[[OwnedTable, Callable[[Callable[[], Any]], Any]], None]:
    return before_commit


@pytest.fixture
def long(table: Lake) -> Lake:
    """A table with a row of offset 0 to 4 and 151 snapshots, of which 101 to 151 are too many."""
    table.owner().commit(batch(0, 5))
    lengthen(table.load(), 150)
    return table
