"""A table that stands is brought to its contract on the real catalog, once, and whoever has it open goes on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException

from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.alignment import align, differences

BRONZE = contracts.tables()["bronze_crypto_trades"]
GOLD = contracts.tables()["gold_crypto_trades"]
FORMER = replace(
    GOLD,
    purpose="something else",
    columns=tuple(replace(column, comment="") for column in GOLD.columns),
    sort_by=("timestamp", "trade_id"),
    properties={"format-version": "2", "write.parquet.compression-codec": "snappy"},
)


class Standing:
    """A table that was created by another contract than today's."""

    def __init__(self, names: Names, contract: TableContract) -> None:
        self.names = names
        self.catalog = iceberg.connect(LakeSettings.load())
        self.identifier = (iceberg.namespace(names), contract.name)
        iceberg.create(self.catalog, names, contract)

    def load(self) -> Any:
        return self.catalog.load_table(self.identifier)

    def align(self) -> list[str]:
        return align(self.catalog, self.names, GOLD)


@pytest.fixture
def standing(run_settings: RunSettings, names: Names) -> Iterator[Standing]:
    made = Standing(names, FORMER)
    yield made
    made.catalog.drop_table(made.identifier)


def test_comments_order_and_properties_become_the_contracts(standing: Standing) -> None:
    """It says each, and the second time it has nothing to do and writes nothing."""
    said = standing.align()
    assert said[0] == "comment = Every trade of every exchange exactly once."
    assert "write.parquet.compression-codec = zstd" in said
    assert said[-1] == "sorted by timestamp, source_sequence"
    table = standing.load()
    assert table.properties["comment"] == GOLD.purpose
    assert {field.name: field.doc for field in table.schema().fields} == {c.name: c.comment for c in GOLD.columns}
    fields = [table.schema().find_column_name(field.source_id) for field in table.sort_order().fields]
    assert fields == ["timestamp", "source_sequence"]
    assert standing.align() == []
    assert standing.load().metadata_location == table.metadata_location


def test_a_created_table_is_as_its_contract(names: Names, run_settings: RunSettings) -> None:
    """Nothing is left to be changed, of any table."""
    catalog = iceberg.connect(LakeSettings.load())
    for contract in contracts.iceberg_tables():
        made = iceberg.create(catalog, names, contract)
        assert list(differences(made.metadata, contract).told(contract)) == []
        catalog.drop_table(iceberg.identifier(names, contract))


def test_what_others_set_stays(standing: Standing) -> None:
    """A property that no contract names, and a sort order that was there before, are nobody's to take away."""
    with standing.load().transaction() as transaction:
        transaction.set_properties({"owner": "somebody"})
    standing.align()
    table = standing.load()
    assert table.properties["owner"] == "somebody"
    assert len(table.sort_orders()) == 2


def test_a_sink_that_has_the_table_open_goes_on(table: Any, make_batch: Any) -> None:
    """Its rows and its state are those of a table that was never changed."""
    former = replace(BRONZE, purpose="something else", sort_by=("offset",))
    owner = table.owner()
    owner.commit(make_batch(0, 5))
    assert align(table.catalog, table.names, former) == ["comment = something else", "sorted by offset"]
    owner.commit(make_batch(5, 9))
    assert align(table.catalog, table.names, BRONZE) == [f"comment = {BRONZE.purpose}", "sorted by nothing"]
    owner.commit(make_batch(9, 12))
    assert table.offsets() == list(range(12))
    assert owner.state() == table.owner().state()


def test_a_commit_of_another_in_between_is_met_by_looking_again(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is changed is compared anew with what the table has by then."""
    commit_table, met = standing.catalog.commit_table, [True]

    def conflict(*of: Any) -> Any:
        if met:
            met.clear()
            raise CommitFailedException("behind")
        return commit_table(*of)

    monkeypatch.setattr(standing.catalog, "commit_table", conflict)
    assert "sorted by timestamp, source_sequence" in standing.align()
    assert not met
    assert standing.align() == []
