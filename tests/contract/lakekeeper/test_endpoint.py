"""Where a table's store is, as a client was told it, and as Lakekeeper says it with every table."""

from collections.abc import Iterator

import pytest
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from tests.contract.lakekeeper.fake import Answer, Lakekeeper, serving

from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg

ITS_OWN = "http://seaweedfs:8333"
METADATA = new_table_metadata(
    Schema(), UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, "s3://lake/warehouse/0", {}
).model_dump(mode="json", by_alias=True)
LOADED = {
    "metadata-location": "s3://lake/warehouse/0/metadata/0.gz.metadata.json",
    "metadata": METADATA,
    "config": {
        "s3.endpoint": ITS_OWN,
        "s3.path-style-access": "true",
        "s3.region": "us-east-1",
        "region": "us-east-1",
        "client.region": "us-east-1",
    },
}
"""As it answers for a warehouse that lends no keys and signs nothing."""


@pytest.fixture
def uri() -> Iterator[str]:
    """A catalog with one table."""
    lakekeeper = Lakekeeper()
    lakekeeper.meanwhile = answered
    with serving(lakekeeper) as url:
        yield f"{url}/catalog"


def answered(_method: str, path: str) -> Answer:
    if path.startswith("/catalog/v1/config?"):
        return 200, {"defaults": {}, "overrides": {"prefix": "0"}}
    assert path.startswith("/catalog/v1/0/namespaces/market_data/tables/gold")
    return 200, LOADED


def store_of(uri: str, **told: str) -> str:
    """The address to which the table's client would go."""
    keys = {"s3_access_key_id": "k2local", "s3_secret_access_key": "k2localsecret"}
    settings = LakeSettings.load(iceberg_catalog_uri=uri, iceberg_warehouse="k2", **keys, **told)
    table = iceberg.connect(settings).load_table(("market_data", "gold"))
    assert table.io.properties["s3.access-key-id"] == "k2local"
    return str(table.io.properties["s3.endpoint"])


def test_a_client_elsewhere_goes_where_it_was_told(uri: str) -> None:
    """As one on the host, whose address of the store is a published port."""
    assert store_of(uri, s3_endpoint="http://127.0.0.1:8333") == "http://127.0.0.1:8333"


def test_a_client_that_was_told_nothing_believes_the_catalog(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default is nobody's word."""
    monkeypatch.delenv("S3_ENDPOINT", raising=False)
    assert store_of(uri) == ITS_OWN
