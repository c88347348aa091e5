"""The offloads of a run's cold tables, opened for who works at them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from clickhouse_connect.driver.client import Client
from pyiceberg.catalog import Catalog

from k2_shared.cold.offload import ColdOffload
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.core.retries import RetryBudget
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected
from k2_shared.lake.replacement import HourlyTable
from k2_shared.warm.client import connect, database, failures

_TRADES = ("raw_trades", "bronze_trades", "silver_trades")  # before the candles that are made of them


def cold_tables() -> dict[str, ColdTableContract]:
    """The contracts of the cold tables by their names, in the order in which trades become candles."""
    found = contracts.cold_tables()
    return {name: found[name] for name in dict.fromkeys([*_TRADES, *found])}


@contextmanager
def opened(
    settings: ColdSettings, tables: Mapping[str, ColdTableContract], retries: Callable[[str], RetryBudget]
) -> Iterator[dict[str, ColdOffload]]:
    """The offloads of tables by their names, for the length of a block; ``retries`` gives each its budget. Blocks.

    Raises:
        ConfigError: a table does not exist or is not as its contract says, or ClickHouse refuses the login.
        Unavailable: ClickHouse, the catalog or the store do not answer.
    """
    names = Names(settings.k2_prefix)
    with connected(settings) as catalog, closing(connect(settings, database(settings, names))) as client:
        found = {name: _opened(settings, names, catalog, client, each, retries(name)) for name, each in tables.items()}
        with failures(settings):
            yield found


def _opened(
    settings: ColdSettings,
    names: Names,
    catalog: Catalog,
    client: Client,
    contract: ColdTableContract,
    retries: RetryBudget,
) -> ColdOffload:
    table = iceberg.found(catalog, names, contract)
    return ColdOffload(contract, settings, client, HourlyTable(table, contract.name, contract.hour_by, retries))
