"""The offloads of a run's cold tables, opened for a command."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from clickhouse_connect.driver.client import Client
from pyiceberg.catalog import Catalog

from k2.catalog import connected
from k2.tail.selection import point_in_time
from k2_shared.cold.hours import Hour
from k2_shared.cold.offload import ColdOffload
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings, PrefixSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.replacement import HourlyTable
from k2_shared.lake.retries import at_table
from k2_shared.warm.client import connect, database, failures

_ATTEMPTS = 20
_TRADES = ("raw_trades", "bronze_trades", "silver_trades")  # before the candles that are made of them


class ColdSettings(LakeSettings, ClickHouseSettings, PrefixSettings):
    """Where both tiers are."""


@dataclass(frozen=True, slots=True)
class HourRange:
    """Hours from ``first`` to ``last``, both included; where one is None, as far as the warm tier has rows."""

    first: Hour | None
    last: Hour | None

    @classmethod
    def parse(cls, hour: str | None, start: str | None, end: str | None, now: datetime) -> Self:
        """Read what the command line says: of an hour that a time is in, all is meant.

        Raises:
            ConfigError: a time is none, the end is not after the start, or an hour and bounds are given.
        """
        if hour and (start or end):
            raise ConfigError(f"--hour {hour} is one hour, and --from and --to are bounds of several: pass one of both")
        first = _moment("--hour" if hour else "--from", hour or start, now)
        if hour and first:
            return cls(Hour.of(first), Hour.of(first))
        before = _moment("--to", end, now)
        if first and before and before <= first:
            raise ConfigError(f"--to {end} is not after --from {start}: nothing lies between")
        last = Hour.of(before - timedelta(microseconds=1)) if before else None
        return cls(Hour.of(first) if first else None, last)


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if (found := point_in_time(text, now)) is None:
        raise ConfigError(f"{option} {text} is no time: pass one as 2026-11-26T12:00Z, or an age as 15m, 2h or 3d")
    return found


def wanted(names: Sequence[str]) -> Mapping[str, ColdTableContract]:
    """The contracts of cold tables by name; all of them where none is named.

    Raises:
        ConfigError: there is no such table.
    """
    found = contracts.cold_tables()
    every = {name: found[name] for name in dict.fromkeys([*_TRADES, *found])}
    if unknown := [name for name in names if name not in every]:
        raise ConfigError(f"{unknown[0]!r} is no cold table: they are {', '.join(every)}")
    return {name: contract for name, contract in every.items() if not names or name in names}


@contextmanager
def opened(settings: ColdSettings, tables: Mapping[str, ColdTableContract]) -> Iterator[dict[str, ColdOffload]]:
    """The offloads of tables by their names, for the length of a block. Blocks.

    Raises:
        ConfigError: a table does not exist, or ClickHouse refuses the login.
        Unavailable: ClickHouse, the catalog or the store do not answer.
    """
    names = Names(settings.k2_prefix)
    with connected(settings) as catalog, closing(connect(settings, database(settings, names))) as client:
        found = {name: _opened(settings, names, catalog, client, each) for name, each in tables.items()}
        with failures(settings):
            yield found


def _opened(
    settings: ColdSettings, names: Names, catalog: Catalog, client: Client, contract: ColdTableContract
) -> ColdOffload:
    table = iceberg.find(catalog, names, contract)
    if table is None:
        raise ConfigError(f"table {'.'.join(iceberg.identifier(names, contract))} does not exist: run 'k2 init'")
    hourly = HourlyTable(table, contract.name, contract.hour_by, at_table(_ATTEMPTS))
    return ColdOffload(contract, settings, client, hourly)
