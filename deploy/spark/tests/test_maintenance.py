"""The maintenance's driver on real Spark, catalog and store; under faults and appends it has a suite of its own."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests
from deploy.spark.tests.clusters import Cluster
from deploy.spark.tests.maintained import GOLD, Tables, behind, maintained, partitions, prefix, rows, steps
from pyiceberg.table import Table

from k2_shared.batch.steps import MODULE, Step
from k2_shared.core import contracts
from k2_shared.core.errors import Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.lake_history import lengthen
from k2_support.lake_requests import LISTED
from k2_support.waiting import wait_for

NEVER_S, PATIENCE_S = 600.0, 120.0


@pytest.fixture
def cold(tables: Tables) -> Iterator[Table]:
    """A cold table beside them, with more snapshots than are kept by their number."""
    catalog, contract = iceberg.connect(LakeSettings.load()), next(iter(contracts.cold_tables().values()))
    made = iceberg.create(catalog, Names(prefix(tables)), contract)
    made.append(made.schema().as_arrow().empty_table())
    lengthen(made, 150)
    yield made
    catalog.drop_table(made.name())


def started(tables: Tables, *words: str, **environment: str) -> psutil.Popen:
    """A process that has started the driver."""
    code = (
        "import sys; from k2_shared.batch.driver import Driver; from k2_shared.batch.settings import SparkSettings; "
        "Driver(SparkSettings.load(spark_python=sys.executable), sys.argv[1], sys.argv[2:]).run(lambda _: None)"
    )
    told = {**os.environ, "K2_PREFIX": prefix(tables), **environment}
    return psutil.Popen([sys.executable, "-c", code, MODULE, *words], env=told)


@contextmanager
def hanging() -> Iterator[tuple[str, list[psutil.Process]]]:
    """A store that never answers who lists it: its address, and each Java that has asked."""
    asking, over = list[psutil.Process](), threading.Event()

    def hang(body: bytes) -> bytes:
        asking.extend(javas())
        over.wait(NEVER_S)
        return body

    rule = ProxyRule(LISTED, None, after=True, change=hang, answered=True)
    with HttpProxy(os.environ["S3_ENDPOINT"]).listening() as proxy, proxy.ruled(rule):
        try:
            yield proxy.url, asking
        finally:
            over.set()


def javas() -> list[psutil.Process]:
    """Spark's, of drivers that this process or a child of its has started; that of its own session is none."""
    here = psutil.Process().children(recursive=True)
    return [each for each in here if _is_of_driver(each)]


def _is_of_driver(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it has ended since
        return process.ppid() != os.getpid() and any("SparkSubmit" in word for word in process.cmdline())
    return False


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


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


def test_a_dry_run_of_retention_deletes_nothing(tables: Tables) -> None:
    """It names the partitions that the run after it deletes."""
    bronze = tables["bronze_crypto_trades"]
    before, words = rows(bronze), steps("retention", table=bronze.contract.name)
    (told,) = maintained(tables, *words, "--dry-run")
    assert told.facts["rows"] == len(before) == len(rows(bronze))
    (done,) = maintained(tables, *words)
    assert done.facts == told.facts
    assert rows(bronze) == []


@pytest.mark.parametrize("old", ["sink", "maintenance"])
def test_snapshots_age_by_the_rule_of_their_tables_owner(tables: Tables, cold: Table, old: str) -> None:
    """The sink's own rule for what it writes, days for cold and audit tables."""
    lengthen(tables[GOLD].load(), 150)
    ages = {"SINK_SNAPSHOT_AGE_S": "600", "MAINTENANCE_SNAPSHOT_AGE_S": "600", f"{old.upper()}_SNAPSHOT_AGE_S": "0"}
    told = maintained(tables, *steps("expire"), f"--table={cold.name()[-1]}", **ages)
    assert {each.unit.table.partition(".")[2]: each.facts["expired"] > 0 for each in told} == {
        GOLD: old == "sink",
        cold.name()[-1]: old == "maintenance",
    }


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


def test_work_that_is_under_way_ends_with_its_time(tables: Tables) -> None:
    """Spark is at it, and does not come back."""
    with hanging() as (url, asking):
        with pytest.raises(Unavailable, match=r"not done in 90 s: orphans of market_data\.gold_crypto_trades"):
            maintained(tables, *steps("orphans"), S3_ENDPOINT=url, MAINTENANCE_LIMIT_S="90")
        assert asking
        wait_for(lambda: not any(map(lives, asking)), PATIENCE_S, "the end of Java")


def test_work_that_is_under_way_ends_with_who_started_it(tables: Tables) -> None:
    """Whose turn is over then: another run may begin."""
    with hanging() as (url, asking):
        parent = started(tables, *steps("orphans"), S3_ENDPOINT=url)
        wait_for(lambda: bool(asking), PATIENCE_S, "work of Spark")
        parent.kill()
        parent.wait()
        wait_for(lambda: not any(map(lives, asking)), PATIENCE_S, "the end of Java")


def test_a_catalog_that_is_away_is_waited_for(tables: Tables) -> None:
    """From the first request on: nothing is left undone."""
    with HttpProxy(os.environ["ICEBERG_CATALOG_URI"]).listening() as proxy, proxy.cut() as cut:
        cut.times = 12
        told = maintained(tables, *steps("compact", "expire"), **behind(proxy), MAINTENANCE_ATTEMPTS="30")
    assert [each.reason for each in told] == ["", ""]
    assert cut.done == 12


def test_a_java_that_has_ended_is_not_asked_again(tables: Tables) -> None:
    """As of too little memory: a thousand attempts would take hours."""
    dies = ProxyRule(LISTED, None, meanwhile=lambda: [each.kill() for each in javas()], times=1)
    words = [*steps("orphans"), "--table=bronze_crypto_trades"]
    with (
        HttpProxy(os.environ["S3_ENDPOINT"]).listening() as proxy,
        proxy.ruled(dies),
        pytest.raises(Unavailable, match=r"not done: orphans of .*gold_crypto_trades, orphans of .*bronze"),
    ):
        maintained(tables, *words, S3_ENDPOINT=proxy.url, MAINTENANCE_ATTEMPTS="1000")


def test_when_its_time_is_over_it_says_what_is_left(tables: Tables) -> None:
    """What is under way is ended."""
    with pytest.raises(Unavailable, match=r"not done in 1 s: compact of market_data\.gold_crypto_trades, expire of"):
        maintained(tables, *steps("compact", "expire"), MAINTENANCE_LIMIT_S="1")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Of this test's own."""
    made = Cluster(tmp_path)
    yield made
    made.k2("down")


def test_on_a_cluster_its_executors_compact(tables: Tables, cluster: Cluster) -> None:
    """As the master tells of the application, which had its workers' cores: a driver on a cluster computes nothing."""
    before = rows(tables[GOLD])
    told = maintained(tables, *steps("compact", "orphans"), **cluster.up(), SPARK_DRIVER_MEMORY="512m")
    assert [each.reason for each in told] == [""] * 2
    assert told[0].facts["files_in_fullest_partition"] == 1
    assert rows(tables[GOLD]) == before
    (application,) = requests.get(f"{cluster.status()[1]['web_ui']}/json/", timeout=60).json()["completedapps"]
    assert application["cores"] > 0
