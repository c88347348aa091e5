"""What another engine, DuckDB, finds in the Iceberg tables; and how old rows were when they were committed."""

from array import array
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg

EXTENSIONS = ("httpfs", "avro", "iceberg")
TWICE = "delivered twice"
"""In place of ids, of a table whose rows are known by their records' offsets: how many offsets it has too often."""


@dataclass(frozen=True)
class TableRows:
    """One table: its rows, and by message id where it has them, else how many are there ``TWICE``."""

    rows: int
    ids: Counter[str]


class Tables:
    """Reads a run's tables through DuckDB; the engine shares nothing with the sink but the catalog."""

    def __init__(self, settings: LakeSettings, names: Names) -> None:
        self._settings = settings
        self._namespace = iceberg.namespace(names)

    def read(self) -> dict[str, TableRows]:
        """Every table of the contracts."""
        connection = connect(self._settings)
        try:
            return {name: self._table(connection, contract) for name, contract in contracts.tables().items()}
        finally:
            connection.close()

    def counts(self) -> dict[str, int]:
        """The rows of every table as its current snapshot says; cheap, for watching."""
        with closing(iceberg.connect(self._settings)) as catalog:
            return {name: iceberg.row_count(catalog.load_table((self._namespace, name))) for name in contracts.tables()}

    def gold_ages_ms(self) -> "array[float]":
        """For each gold row: from the receipt of its frame to the commit of its snapshot, ms."""
        table = iceberg.connect(self._settings).load_table((self._namespace, "gold_crypto_trades"))
        committed = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in table.snapshots()}
        ages = array("d")
        connection = connect(self._settings)
        for entry in table.inspect.entries().to_pylist():
            found = connection.execute(
                "select epoch_us(ingestion_timestamp) from read_parquet(?)", [entry["data_file"]["file_path"]]
            )
            ages.extend(committed[entry["snapshot_id"]] - received / 1000 for (received,) in found.fetchall())
        connection.close()
        return ages

    def _table(self, connection: duckdb.DuckDBPyConnection, contract: TableContract) -> TableRows:
        qualified = f'lake."{self._namespace}"."{contract.name}"'
        if contract.rows != "trade_v3":
            ((rows, distinct),) = connection.execute(
                f'select count(*), count(distinct (topic, "partition", "offset")) from {qualified}'  # noqa: S608
            ).fetchall()
            return TableRows(rows, Counter({TWICE: rows - distinct}))
        found = connection.execute(f"select message_id, count(*) from {qualified} group by all").fetchall()  # noqa: S608
        ids = Counter(dict(found))
        return TableRows(ids.total(), ids)


def connect(settings: LakeSettings) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own that has the catalog under the name ``lake``; nothing is installed. Blocks."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in EXTENSIONS:
        connection.load_extension(str(_extension(name)))
    for statement in attaching(settings):
        connection.execute(statement)
    return connection


def attaching(settings: LakeSettings) -> Sequence[str]:
    """The statements by which DuckDB has the catalog under the name ``lake``; the keys stand in them."""
    secret = settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else ""
    scheme, _, host = settings.s3_endpoint.partition("://")
    store = (
        f"CREATE SECRET (TYPE s3, KEY_ID '{settings.s3_access_key_id}', SECRET '{secret}', URL_STYLE 'path', "
        f"ENDPOINT '{host}', USE_SSL {scheme == 'https'}, REGION '{settings.s3_region}')"
    )
    warehouse, endpoint = f"ATTACH '{settings.iceberg_warehouse}' AS lake", f"ENDPOINT '{settings.iceberg_catalog_uri}'"
    if settings.iceberg_credential is None:
        return store, f"{warehouse} (TYPE iceberg, AUTHORIZATION_TYPE 'none', {endpoint})"
    client_id, _, client_secret = settings.iceberg_credential.get_secret_value().partition(":")
    return (
        store,
        f"CREATE SECRET catalog (TYPE iceberg, CLIENT_ID '{client_id}', CLIENT_SECRET '{client_secret}', "
        f"OAUTH2_SERVER_URI '{settings.iceberg_oauth2_server_uri}', OAUTH2_SCOPE 'catalog')",
        f"{warehouse} (TYPE iceberg, SECRET catalog, {endpoint})",
    )


def _extension(name: str) -> Path:
    """The extension's file in its wheel; nothing is downloaded."""
    folder = Path(str(files(f"duckdb_extension_{name}"))) / "extensions"
    return next(folder.rglob("*.duckdb_extension"))
