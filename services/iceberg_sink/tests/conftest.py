"""A bronze table of this test's own on the real catalog, and what stands in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import fs
from pyiceberg.catalog.rest import RestCatalog

from iceberg_sink import rows
from iceberg_sink.adapters import Commit, LakeTable
from iceberg_sink.patience import Patience
from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import LakeSettings, RunSettings
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import BRONZE, GOLD, Names
from k2_shared.lake import iceberg
from k2_support.records import ORIGIN, FakeRecord, trade, value
from k2_support.topics import write

CONTRACT = contracts.tables()["bronze_crypto_trades"]
TOPIC = CONTRACT.topics[0]
BRONZE_TOPIC = BRONZE.format(exchange="kraken")
KAFKA = Identity("cluster-1", {TOPIC: "topic-1"})


class Lake:
    """The test's table as its owners see it, each over a catalog of its own, and as a reader does."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.catalog = self.connect()
        self.create()

    def connect(self) -> RestCatalog:
        return iceberg.connect(LakeSettings.load())

    def create(self) -> None:
        iceberg.create(self.catalog, self.names, CONTRACT)

    @property
    def identifier(self) -> tuple[str, str]:
        return iceberg.namespace(self.names), CONTRACT.name

    def load(self) -> Any:
        return self.catalog.load_table(self.identifier)

    def owner(self, kafka: Identity = KAFKA, attempts: int = 30, patience: Patience | None = None) -> LakeTable:
        return LakeTable(self.connect().load_table(self.identifier), "k2", kafka, patience or Patience(attempts))

    def offsets(self, partition: int = 0) -> list[int]:
        """The offsets of a partition's rows, sorted."""
        found = self.load().scan(row_filter=f"partition = {partition}", selected_fields=("offset",)).to_arrow()
        return sorted(found["offset"].to_pylist())

    def stored(self) -> set[str]:
        """The data files in the object store, referred to or not."""
        settings = LakeSettings.load()
        secret = settings.s3_secret_access_key
        store = fs.S3FileSystem(
            endpoint_override=settings.s3_endpoint,
            access_key=settings.s3_access_key_id,
            secret_key=secret.get_secret_value() if secret else None,
            region=settings.s3_region,
        )
        folder = f"{self.load().location().removeprefix('s3://')}/data"
        found = store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return {f"s3://{entry.path}" for entry in found if entry.is_file}

    def referred(self) -> set[str]:
        """The data files of the current snapshot."""
        return set(self.load().inspect.files()["file_path"].to_pylist())


def batch(start: int, end: int, partition: int = 0) -> Commit:
    """A commit of one partition's records from ``start`` up to ``end``."""
    found = [
        FakeRecord(trade().key, value(trade(trade_id=n + 1)), TOPIC, partition, offset=n) for n in range(start, end)
    ]
    return Commit(to_rows(found), {(TOPIC, partition): start}, {(TOPIC, partition): end})


def to_rows(found: list[FakeRecord]) -> pa.Table:
    return rows.envelope(iceberg.schema_of(CONTRACT).as_arrow())(found)


def before_commit(table: LakeTable, hook: Callable[[Callable[[], Any]], Any]) -> None:
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
def wrap_commit() -> Callable[[LakeTable, Callable[[Callable[[], Any]], Any]], None]:
    return before_commit


class Tables:
    """Every table of the contracts, under this test's prefix."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.catalog = iceberg.connect(LakeSettings.load())
        for contract in contracts.tables().values():
            iceberg.create(self.catalog, names, contract)

    def load(self, name: str) -> Any:
        return self.catalog.load_table((iceberg.namespace(self.names), name))

    def column(self, name: str, column: str) -> list[Any]:
        return sorted(self.load(name).scan(selected_fields=(column,)).to_arrow()[column].to_pylist())

    def drop(self) -> None:
        for name in contracts.tables():
            identifier = (iceberg.namespace(self.names), name)
            if self.catalog.table_exists(identifier):
                self.catalog.drop_table(identifier)


@pytest.fixture
def tables(names: Names) -> Iterator[Tables]:
    made = Tables(names)
    yield made
    made.drop()


class Feeder:
    """Writes numbered trades to bronze and gold."""

    def __init__(self, settings: RunSettings, names: Names, schema_id: int) -> None:
        self._settings, self._names, self._schema_id = settings, names, schema_id
        self.ids: list[str] = []

    async def write(self, count: int, partition: int = 1) -> None:
        made = [trade(trade_id=len(self.ids) + n + 1) for n in range(count)]
        for topic in (BRONZE_TOPIC, GOLD):
            sent = [Outgoing(topic, t.key, value(t, self._schema_id), 1, (("k2-origin", ORIGIN.pack()),)) for t in made]
            await write(self._settings, self._names, sent, partition)
        self.ids += [str(t.trade_id) for t in made]


@pytest.fixture
def feeder(topics: dict[str, int], run_settings: RunSettings, names: Names) -> Feeder:
    return Feeder(run_settings, names, next(iter(topics.values())))
