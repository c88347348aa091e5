"""Every table of the lake on the real catalog, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.catalog import Catalog

from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg


@contextmanager
def lake_tables(names: Names) -> Iterator[Catalog]:
    """Create the tables of the contracts under a run's prefix, and drop in the end those that still stand."""
    catalog = iceberg.connect(LakeSettings.load())
    for contract in contracts.tables().values():
        iceberg.create(catalog, names, contract)
    try:
        yield catalog
    finally:
        for name in contracts.tables():
            if catalog.table_exists(identifier := (iceberg.namespace(names), name)):
                catalog.drop_table(identifier)
