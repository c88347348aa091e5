"""Work on the database of a run, by a client for its length."""

from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import connect, database, failures

T = TypeVar("T")


def work(settings: ClickHouseSettings, names: Names, on_database: Callable[[Client], T]) -> T:
    """Do something to the database of a run. Blocks.

    Raises:
        K2Error: as ``connect`` and ``failures`` say.
    """
    client = connect(settings, database(settings, names))
    try:
        with failures(settings):
            return on_database(client)
    finally:
        client.close()
