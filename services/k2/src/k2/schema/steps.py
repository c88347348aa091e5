"""What lags behind the contracts, in the order in which it is to change: whoever reads a field before who writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyiceberg.catalog import Catalog

from k2.init import InitSettings, align_tables, register_subjects
from k2.running import run
from k2_shared.core import contracts
from k2_shared.core.errors import Halt
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.alignment import differences
from k2_shared.lake.connection import connected
from k2_shared.warm import migrations, working


class SchemaSettings(InitSettings):
    """As ``k2 init``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: where it is made, of what, and what that is to get."""

    where: str
    name: str
    change: str


def pending(settings: SchemaSettings) -> Sequence[Step]:
    """What lags behind the contracts. Blocks.

    Raises:
        Unavailable: ClickHouse, the catalog or the registry did not answer.
        Halt: ClickHouse is not what its migrations made, so that nothing can be added to it.
    """
    names = Names(settings.k2_prefix)
    found = working.work(settings, names, migrations.standing)
    if found.drift:
        raise Halt(f"ClickHouse is not what the migrations made: {'; '.join(found.drift)}: undo that by hand")
    warm = [Step("ClickHouse", "migration", str(each)) for each in found.pending]
    return [*warm, *_tables(settings, names), *run(_subjects(settings, names))]


def apply(settings: SchemaSettings) -> None:
    """Bring all to the contracts. Blocks; what was done stays where it fails, and is not done again.

    Raises:
        Unavailable: ClickHouse, the catalog or the registry did not answer.
        Halt: one of them refused.
    """
    names = Names(settings.k2_prefix)
    working.work(settings, names, migrations.apply)
    align_tables(settings, names)
    run(register_subjects(settings, names))


def _tables(settings: SchemaSettings, names: Names) -> list[Step]:
    with connected(settings) as catalog:
        return [step for contract in contracts.iceberg_tables() for step in _table(catalog, names, contract)]


def _table(catalog: Catalog, names: Names, contract: contracts.IcebergContract) -> Iterator[Step]:
    table = iceberg.find(catalog, names, contract)
    if table is None:
        yield Step("Iceberg", contract.name, "to be created")
        return
    yield from (Step("Iceberg", contract.name, said) for said in differences(table.metadata, contract).told(contract))


async def _subjects(settings: SchemaSettings, names: Names) -> list[Step]:
    found = []
    async with SchemaRegistry.connect(settings) as registry:
        for contract in contracts.topics().values():
            subject = names.subject(names.topic(contract.name))
            if contract.schema and await registry.find(contract, subject) is None:
                found.append(Step("registry", subject, contract.schema))
    return found
