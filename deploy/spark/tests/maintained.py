"""What tests of the maintenance share: a run of its driver at tables of a test's own, and what they have then."""

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.interop.canonical import canonical
from tests.interop.tables import Written

from k2_shared.batch.driver import Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.batch.steps import MODULE, Told
from k2_support.http_proxy import HttpProxy

GOLD = "gold_crypto_trades"
Tables = dict[str, Written]
Hear = Callable[[Line], None]


def prefix(tables: Tables) -> str:
    return f"{tables[GOLD].namespace.removesuffix('_market_data')}."


def maintained(tables: Tables, *words: str, hear: Hear = lambda _: None, **environment: str) -> list[Told]:
    """What the driver says of each step at a test's tables; ``hear`` is given every line of it."""
    return driven(prefix(tables), *words, hear=hear, **environment)


def driven(of: str, *words: str, hear: Hear = lambda _: None, **environment: str) -> list[Told]:
    """What the driver says of each step under a prefix."""
    told: list[Told | None] = []

    def take(line: Line) -> None:
        hear(line)
        told.append(Told.of(line))

    with pytest.MonkeyPatch.context() as patched:
        for name, value in {"K2_PREFIX": of, "MAINTENANCE_ATTEMPTS": "3", **environment}.items():
            patched.setenv(name, value)
        Driver(SparkSettings.load(spark_python=sys.executable), MODULE, words).run(take)
    return [each for each in told if each]


def steps(*names: str, table: str = GOLD) -> list[str]:
    return [*(f"--step={name}" for name in names), f"--table={table}"]


def rows(written: Written) -> list[str]:
    return canonical(written.contract, written.load().scan().to_arrow().to_pylist())


def partitions(written: Written) -> list[Any]:
    return [task.file.partition for task in written.load().scan().plan_files()]


def behind(proxy: HttpProxy) -> dict[str, str]:
    """The catalog's variables, by way of a proxy."""
    here = os.environ["ICEBERG_CATALOG_URI"]
    return {name: each.replace(here, proxy.url) for name, each in os.environ.items() if here in each}
