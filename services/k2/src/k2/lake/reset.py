"""Makes the lake's tables anew, empty, and forgets how far they were filled."""

from collections.abc import Sequence
from dataclasses import dataclass

from k2.running import run
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import KafkaSettings, PrefixSettings
from k2_shared.kafka import groups
from k2_shared.kafka.topics import Names, administration
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected


class ResetSettings(KafkaSettings, LakeSettings, PrefixSettings):
    """Kafka, and the catalog."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A table to be made anew: its rows, None where it does not stand, and the group that fills it."""

    name: str
    rows: int | None
    group: str

    def __str__(self) -> str:
        rows = "does not stand" if self.rows is None else f"{self.rows:,} rows"
        return f"{self.name} ({rows}), and the offsets of group {self.group}"


def doomed(settings: ResetSettings) -> list[Doomed]:
    """What a reset would delete. Blocks.

    Raises:
        Unavailable: the catalog does not answer.
    """
    names = Names(settings.k2_prefix)
    with connected(settings) as catalog:
        found = {name: iceberg.find(catalog, names, contract) for name, contract in contracts.tables().items()}
    return [
        Doomed(name, None if table is None else iceberg.row_count(table), names.table_group(name))
        for name, table in found.items()
    ]


def reset(settings: ResetSettings, tables: Sequence[Doomed]) -> None:
    """Delete tables with their files and their groups' offsets, and create the tables by their contracts. Blocks.

    The groups go last: where it ends before, 'k2 sink resolve' or another reset finishes the work.

    Raises:
        Unavailable: catalog or broker do not answer.
    """
    names = Names(settings.k2_prefix)
    with connected(settings) as catalog:
        for table in tables:
            if table.rows is not None:
                catalog.purge_table(iceberg.identifier(names, contracts.tables()[table.name]))
            iceberg.create(catalog, names, contracts.tables()[table.name])
    run(_forget(settings, tables))


async def _forget(settings: ResetSettings, tables: Sequence[Doomed]) -> None:
    async with administration(settings) as admin:
        for table in tables:
            await groups.delete(admin, table.group)
