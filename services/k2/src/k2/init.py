"""Creates every topic, subject and table of the contracts, in lake and warm tier, and brings the lake's that stand to
their contracts; safe to repeat.
"""

from pydantic import Field

from k2.running import run
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings, RunSettings
from k2_shared.kafka import topics
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.alignment import align
from k2_shared.lake.connection import connected
from k2_shared.warm import migrations, working


class InitSettings(RunSettings, LakeSettings, ClickHouseSettings):
    """Where to create, and how often each topic is kept."""

    kafka_replication_factor: int = Field(1, ge=1, le=10, description="copies of each topic that is created")


def apply(settings: InitSettings) -> str:
    """Create what is missing and say what changed of the tables that stood; returns what stands now, for people.

    Raises:
        Unavailable: the broker, the registry, the catalog or ClickHouse did not answer.
        Halt: one of them refused.
    """
    names = Names(settings.k2_prefix)
    run(_topics(settings, names))
    run(register_subjects(settings, names))
    changed = align_tables(settings, names)
    working.work(settings, names, migrations.apply)
    where = f" under {settings.k2_prefix}" if settings.k2_prefix else ""
    stands = (
        f"{len(contracts.topics())} topics, their schemas, {len(contracts.tables())} tables of the lake, "
        f"{len(contracts.cold_tables())} cold tables and {len(migrations.migrations())} migrations of the warm tier "
        f"stand{where}"
    )
    return "\n".join([*changed, stands])


def align_tables(settings: InitSettings, names: Names) -> list[str]:
    """Create the lake's tables, or bring them to their contracts; a line for each that was changed. Blocks.

    Raises:
        Unavailable: the catalog did not answer, or others changed a table all the while.
    """
    changed = []
    with connected(settings) as catalog:
        for contract in contracts.iceberg_tables():
            iceberg.create(catalog, names, contract)
            if said := align(catalog, names, contract):
                changed.append(f"{contract.name} now has {'; '.join(said)}")
    return changed


async def register_subjects(settings: InitSettings, names: Names) -> None:
    """Register every schema that a topic's contract names, under the topic's subject.

    Raises:
        Unavailable: the registry did not answer.
        Halt: it refused.
    """
    async with SchemaRegistry.connect(settings) as registry:
        await topics.apply_subjects(registry, names, contracts.topics().values())


async def _topics(settings: InitSettings, names: Names) -> None:
    async with topics.administration(settings) as admin:
        await topics.create(admin, names, list(contracts.topics().values()), settings.kafka_replication_factor)
        await topics.check(admin, names, contracts.topics())
