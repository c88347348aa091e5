"""Work on the warm tier's database, as the settings name it."""

from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from k2_shared.core.settings import ClickHouseSettings, PrefixSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import connect, database, failures

T = TypeVar("T")


class WarmSettings(ClickHouseSettings, PrefixSettings):
    """Where the warm tier is, and the run's place among others there."""


def work(on_database: Callable[[Client], T]) -> T:
    """Do something to the database. Blocks.

    Raises:
        K2Error: as ``connect`` and ``failures`` say.
    """
    settings = WarmSettings.load()
    client = connect(settings, database(settings, Names(settings.k2_prefix)))
    try:
        with failures(settings):
            return on_database(client)
    finally:
        client.close()
