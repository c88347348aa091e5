"""A store and a PostgreSQL with both kinds of catalog on it, and a bronze table that they share."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from deploy.local.tests.lake_parts import Lake

from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import LakeTable
from k2_support.lake import CONTRACT, KAFKA


class Tables:
    """The table, as owners with settings of their own have it."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.names = Names(f"t{uuid.uuid4().hex[:8]}.")
        self.identifier = (iceberg.namespace(self.names), CONTRACT.name)
        iceberg.create(iceberg.connect(self.settings()), self.names, CONTRACT)

    def settings(self, **changes: Any) -> LakeSettings:
        """Of the SQL catalog, changed; None takes a setting away."""
        given = {**self.lake.database(), **changes}
        return LakeSettings.load(**{name: value for name, value in given.items() if value is not None})

    def load(self, settings: LakeSettings | None = None) -> Any:
        """The table by a catalog of its own."""
        return iceberg.connect(settings or self.settings()).load_table(self.identifier)

    def owner(self, settings: LakeSettings | None = None, attempts: int = 30, failed: Any = None) -> LakeTable:
        """An owner of the table, who tells ``failed`` of each attempt that fails."""
        retries = at_table(attempts, failed) if failed else at_table(attempts)
        return LakeTable(self.load(settings), "k2", KAFKA, retries)

    def offsets(self, settings: LakeSettings | None = None) -> list[int]:
        """The offsets of its rows, sorted."""
        found = self.load(settings).scan(selected_fields=("offset",)).to_arrow()
        return sorted(found["offset"].to_pylist())


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Up for all tests of this folder; what a test breaks is mended after it, also where it failed."""
    with Lake(tmp_path_factory.mktemp("lake")).running() as made:
        yield made


@pytest.fixture
def tables(lake: Lake) -> Iterator[Tables]:
    """An empty table."""
    yield Tables(lake)
    lake.up()
