"""TLS before catalog and store, by an authority of one's own."""

import socket

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from requests.exceptions import Timeout
from tests.contract.tls.authority import Authority
from tests.contract.tls.conftest import Environment

from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.iceberg import Catalog

CONTRACT = contracts.tables()["gold_crypto_trades"]


def connected(environment: Environment, **changes: str) -> Catalog:
    given = {name.lower(): value for name, value in {**environment, **changes}.items()}
    return iceberg.connect(LakeSettings.load(**given))


def append(table: Table) -> None:
    """Three rows of nothing."""
    schema = table.schema().as_arrow()
    table.append(pa.table({name: pa.nulls(3, schema.field(name).type) for name in schema.names}, schema=schema))


def test_a_table_is_made_written_and_read_through_tls(lake_tls: Environment, names: Names) -> None:
    """The catalog and the store are each reached under its own certificate, and both really behind it."""
    catalog = connected(lake_tls)
    table = iceberg.create(catalog, names, CONTRACT)
    append(table)
    assert connected(lake_tls).load_table(table.name()).scan().count() == 3
    assert table.io.properties["s3.endpoint"].startswith("https://")


@pytest.mark.parametrize("name", ["ICEBERG_CAFILE", "S3_CAFILE"])
def test_who_is_signed_by_a_stranger_is_not_trusted(
    lake_tls: Environment, names: Names, stranger: Authority, name: str
) -> None:
    """Each setting is for its own server; neither falls back to the system's authorities, or to the other's."""
    with pytest.raises(OSError, match=r"(?i)certificate"):
        append(iceberg.create(connected(lake_tls, **{name: str(stranger.cafile)}), names, CONTRACT))


def test_a_catalog_that_says_nothing_is_not_waited_for() -> None:
    """Not even for the token, which the library asks for before anything else."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        given = {"ICEBERG_CATALOG_URI": url, "ICEBERG_OAUTH2_SERVER_URI": f"{url}/token", "ICEBERG_TIMEOUT_S": "0.2"}
        with pytest.raises(Timeout):
            connected(given)
