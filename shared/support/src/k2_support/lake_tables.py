"""Every table of the sink on the real catalog, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.catalog import Catalog

from k2_shared.core import contracts
from k2_shared.core.contracts import IcebergContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg


@contextmanager
def lake_tables(names: Names, *more: IcebergContract) -> Iterator[Catalog]:
    """Create the sink's tables, and more, under a run's prefix, and drop in the end those that still stand."""
    catalog, every = iceberg.connect(LakeSettings.load()), [*contracts.tables().values(), *more]
    for contract in every:
        iceberg.create(catalog, names, contract)
    try:
        yield catalog
    finally:
        for contract in every:
            if catalog.table_exists(identifier := iceberg.identifier(names, contract)):
                catalog.drop_table(identifier)
