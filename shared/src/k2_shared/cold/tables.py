"""The offloads of a run's cold tables, and the restores from them, opened for who works at them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.restoring import WarmRestore
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.core.retries import RetryBudget
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected
from k2_shared.lake.replacement import HourlyTable
from k2_shared.warm.client import connect, database, failures

Made = TypeVar("Made", ColdOffload, WarmRestore)
_TRADES = ("raw_trades", "bronze_trades", "silver_trades")  # before the candles that are made of them


def cold_tables() -> dict[str, ColdTableContract]:
    """The contracts of the cold tables by their names, in the order in which trades become candles."""
    found = contracts.cold_tables()
    return {name: found[name] for name in dict.fromkeys([*_TRADES, *found])}


@contextmanager
def opened(
    kind: type[Made],
    settings: ColdSettings,
    tables: Mapping[str, ColdTableContract],
    retries: Callable[[str], RetryBudget],
) -> Iterator[dict[str, Made]]:
    """The offloads of tables, or the restores from them, by the tables' names, for the length of a block. Blocks.

    ``retries`` gives each table its budget.

    Raises:
        ConfigError: a table does not exist or is not as its contract says, or ClickHouse refuses the login.
        Unavailable: ClickHouse, the catalog or the store do not answer.
    """
    names = Names(settings.k2_prefix)
    with connected(settings) as catalog, closing(connect(settings, database(settings, names))) as client:
        found = {}
        for name, contract in tables.items():
            table = iceberg.found(catalog, names, contract)
            hourly = HourlyTable(table, contract.name, contract.hour_by, retries(name))
            found[name] = kind(contract, settings, client, hourly)
        with failures(settings):
            yield found
