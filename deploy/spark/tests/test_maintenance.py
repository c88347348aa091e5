"""The maintenance's driver on real Spark, catalog and store; under faults and appends it has a suite of its own."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interop.canonical import canonical
from tests.interop.tables import Written, lake_tables

from k2_shared.batch.driver import Driver
from k2_shared.batch.settings import SparkSettings
from k2_shared.batch.steps import MODULE, Step, Told
from k2_shared.core.errors import Unavailable
from k2_support.http_proxy import HttpProxy
from k2_support.lake_requests import path_has

GOLD = "gold_crypto_trades"
LISTED = path_has("list-type=2", method="GET")
Tables = dict[str, Written]


@pytest.fixture
def tables() -> Iterator[Tables]:
    """Each of them of a few commits, as nobody has maintained them."""
    yield from lake_tables()


def maintained(tables: Tables, *words: str, **environment: str) -> list[Told]:
    """What the driver says of each step."""
    prefix = f"{tables[GOLD].namespace.removesuffix('_market_data')}."
    told: list[Told | None] = []
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {"K2_PREFIX": prefix, "MAINTENANCE_ATTEMPTS": "3", **environment}.items():
            patched.setenv(name, value)
        Driver(SparkSettings.load(spark_python=sys.executable), MODULE, words).run(
            lambda line: told.append(Told.of(line))
        )
    return [each for each in told if each]


def steps(*names: str, table: str = GOLD) -> list[str]:
    return [*(f"--step={name}" for name in names), f"--table={table}"]


def rows(written: Written) -> list[str]:
    return canonical(written.contract, written.load().scan().to_arrow().to_pylist())


def partitions(written: Written) -> list[Any]:
    return [task.file.partition for task in written.load().scan().plan_files()]


def test_each_step_is_told_and_no_row_changes(tables: Tables) -> None:
    """Files of several commits become one of each hour; the sink's state is where it was."""
    before, files = rows(tables[GOLD]), len(partitions(tables[GOLD]))
    told = {each.unit.step: each for each in maintained(tables, *steps("compact", "manifests", "expire", "orphans"))}
    assert [each.reason for each in told.values()] == [""] * 4
    compacted = told[Step.COMPACT].facts
    assert (compacted["files"], compacted["files_in_fullest_partition"]) == (len(partitions(tables[GOLD])), 1)
    assert compacted["files"] < files
    assert len({str(each) for each in partitions(tables[GOLD])}) == compacted["files"]
    assert told[Step.ORPHANS].facts["orphans"] == 0
    assert rows(tables[GOLD]) == before
    assert "sink.k2.offsets" in tables[GOLD].load().properties


def test_a_dry_run_changes_nothing(tables: Tables) -> None:
    """It says what there is."""
    before = tables[GOLD].load().metadata_location
    told = maintained(tables, *steps("compact", "expire", "orphans"), "--dry-run")
    assert told[0].facts["files"] == len(partitions(tables[GOLD]))
    assert tables[GOLD].load().metadata_location == before


def test_the_store_is_that_of_our_settings(tables: Tables) -> None:
    """And not one that the catalog names: the address that it is reached by here is ours to say."""
    with HttpProxy(os.environ["S3_ENDPOINT"]).listening() as proxy, proxy.slow(0, LISTED) as listed:
        maintained(tables, *steps("orphans"), S3_ENDPOINT=proxy.url)
    assert listed.done > 0


def test_what_failed_is_told_and_holds_up_nothing_else(tables: Tables) -> None:
    """A table of which a file is gone; the others are worked off."""
    broken = tables["bronze_crypto_trades"]
    lost = next(iter(broken.load().scan().plan_files())).file.file_path
    broken.load().io.delete(lost)
    words = [*steps("compact", "manifests"), *steps(table="bronze_crypto_trades")]
    with pytest.raises(Unavailable, match=r"not done: compact of market_data\.bronze_crypto_trades"):
        maintained(tables, *words)
    assert len({str(each) for each in partitions(tables[GOLD])}) == len(partitions(tables[GOLD]))


def test_when_its_time_is_over_it_says_what_is_left(tables: Tables) -> None:
    """What is under way is ended."""
    with pytest.raises(Unavailable, match=r"not done in 1 s: compact of market_data\.gold_crypto_trades, expire of"):
        maintained(tables, *steps("compact", "expire"), MAINTENANCE_LIMIT_S="1")
