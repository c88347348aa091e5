"""Which requests to catalog and store are told apart."""

import pytest

from k2_support.lake_requests import data_file, manifest, manifest_list, removed

GOLD, ANEW = "/warehouse/k2/gold_crypto_trades", "/warehouse/k2/gold_crypto_trades-1f0c2d3e"


@pytest.mark.parametrize("location", [GOLD, ANEW])
def test_a_tables_files_are_known_where_it_was_made_anew(location: str) -> None:
    """SeaweedFS puts more behind the name of a table while files of an earlier one are there."""
    name = "gold_crypto_trades"
    assert manifest_list(name)("PUT", f"{location}/metadata/snap-1-0-a.avro?partNumber=1")
    assert manifest(name)("PUT", f"{location}/metadata/a-m0.avro")
    assert data_file(name)("PUT", f"{location}/data/a.parquet")


def test_reads_and_other_tables_are_not_meant() -> None:
    """Of one table, and of what is written."""
    assert not data_file("gold_crypto_trades")("GET", f"{GOLD}/data/a.parquet")
    assert not data_file("bronze_crypto_trades")("PUT", f"{GOLD}/data/a.parquet")
    assert not manifest_list()("PUT", f"{GOLD}/metadata/a-m0.avro")


def test_what_is_deleted_is_known_alone_and_with_others() -> None:
    """A rename of something called so, and a read, are none."""
    assert removed("DELETE", f"{GOLD}/data/a.parquet")
    assert removed("POST", "/warehouse/?delete")
    assert removed("POST", "/warehouse?delete=")
    assert not removed("POST", "/warehouse/delete?uploads")
    assert not removed("GET", "/warehouse/?delete")
