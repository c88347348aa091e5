"""One table of the warm tier put back from its cold table, as the command line says it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition

from k2.cold.wanted import HourRange, wanted
from k2.terminal import progress
from k2_shared.cold.hours import Hour
from k2_shared.cold.restoring import Begins, WarmRestore
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import Names, administration, check


class RestoreSettings(ColdSettings, KafkaSettings):
    """Both tiers, and the broker that says what it still has."""


@dataclass(slots=True)
class TableRestore:
    """What was put back of a table: rows by hour."""

    table: str
    put_back: dict[str, int] = field(default_factory=dict)

    def to_row(self) -> list[str]:
        """It as a row of the table."""
        return [self.table, f"{len(self.put_back):,}", f"{sum(self.put_back.values()):,}"]

    def to_json(self) -> dict[str, Any]:
        """It as ``--json`` prints it."""
        return {"table": self.table, "put_back": self.put_back}


def restorable(names: Sequence[str]) -> Mapping[str, ColdTableContract]:
    """The contracts of the cold tables whose rows can be put back, by name; all of them where none is named.

    Raises:
        ConfigError: there is no such table, or its rows are candles.
    """
    found = {name: each for name, each in wanted(names).items() if each.relation in contracts.warm_tables()}
    if candles := [name for name in names if name not in found]:
        raise ConfigError(
            f"{candles[0]} cannot be put back: warm_sink folds candles from gold's topic, which Kafka keeps for ever; "
            f"start it. What can be is {', '.join(restorable(()))}"
        )
    return found


async def first_offsets(settings: RestoreSettings, tables: Mapping[str, ColdTableContract]) -> dict[str, Begins]:
    """By table, where Kafka begins in each partition that fills it.

    Raises:
        ConfigError: a topic does not exist.
        Unavailable, KafkaError: the broker cannot say now.
    """
    names = Names(settings.k2_prefix)
    topics = {name: contracts.warm_tables()[each.relation].topics for name, each in tables.items()}
    async with administration(settings) as admin:
        await check(admin, names, [topic for each in topics.values() for topic in each])
    partitions = {name: [at for topic in each for at in names.partitions(topic)] for name, each in topics.items()}
    ranges = await offset_ranges_now(settings, [at for each in partitions.values() for at in each])
    return {name: {_place(at): ranges[at].start for at in each} for name, each in partitions.items()}


def restored(
    name: str, restore: WarmRestore, hours: HourRange, begins: Begins, now: datetime, *, dry_run: bool
) -> TableRestore:
    """Put the hours of a table back that lack rows; each is told on stderr as it is done. Blocks.

    Raises:
        K2Error: as ``WarmRestore`` does; the hours that were told stay put back.
    """
    done = TableRestore(name)
    wanted = restore.wanted(hours.first or Hour(0), hours.last or Hour.of(now), begins, now)
    lacking = restore.lacking(wanted)
    with progress(name, sum(lacking.values())) as advance:
        for hour, rows in lacking.items():
            if not dry_run:
                restore.put_back(wanted.of(hour))
            done.put_back[str(hour)] = rows
            end = "would be put back (--dry-run)" if dry_run else "put back"
            sys.stderr.write(f"{name} {hour}: {rows:,} rows {end}\n")
            advance(rows)
    return done


def _place(at: TopicPartition) -> tuple[str, int]:
    return at.topic, at.partition
