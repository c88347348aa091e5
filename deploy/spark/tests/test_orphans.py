"""Files that no snapshot knows are deleted, and no other, on real Spark, catalog and store: all of them look old."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from deploy.spark.tests.maintained import GOLD, Tables, maintained, rows, steps
from pyspark.sql import SparkSession
from tests.interop.tables import Written

from k2_shared.batch.driver import Line
from k2_shared.core.errors import ConfigError
from k2_spark.procedures import Procedures
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.lake_requests import removed
from k2_support.listed_files import looking_old
from k2_support.waiting import wait_for

AGED, YOUNG = "aged-stray.parquet", "young-stray.parquet"
PATIENCE_S = 120.0


def stray(written: Written, name: str) -> str:
    """A file among the table's own that no snapshot knows; where it is."""
    table = written.load()
    with table.io.new_output(f"{table.location()}/data/{name}").create() as file:
        file.write(b"left by a crash")
    return f"{table.location()}/data/{name}"


def stands(written: Written, location: str) -> bool:
    return bool(written.load().io.new_input(location).exists())


def live(written: Written) -> set[str]:
    """Every file that the table's metadata names."""
    table = written.load()
    manifests = [each for snapshot in table.snapshots() for each in snapshot.manifests(table.io)]
    lists = {snapshot.manifest_list for snapshot in table.snapshots()}
    files = table.inspect.all_files()["file_path"].to_pylist()
    return {table.metadata_location, *lists, *(each.manifest_path for each in manifests), *files}


@contextmanager
def aged(*more: ProxyRule) -> Iterator[dict[str, str]]:
    """The store by way of a proxy at which all but the young stray is of years ago: the variable of it."""
    rules = [*more, looking_old(lambda key: YOUNG not in key)]
    with HttpProxy(os.environ["S3_ENDPOINT"], rules).listening() as proxy:
        yield {"S3_ENDPOINT": proxy.url}


def test_an_old_stray_goes_and_nothing_live_does(tables: Tables) -> None:
    """Were a path not known again, live data would go here: data files, manifests, lists of them, metadata."""
    gold = tables[GOLD]
    strays, before, files = [stray(gold, name) for name in (AGED, YOUNG)], rows(gold), live(gold)
    told, named = list[Line](), list[bool]()

    def is_named() -> bool:
        return any(strays[0] in line.get("named", ()) for line in list(told) if line["event"] == "orphans")

    def once_told(body: bytes) -> bytes:
        """Hold what deletes until the stray was told: a driver that tells later never gets on."""
        wait_for(is_named, PATIENCE_S, "the stray to be told")
        named.append(stands(gold, strays[0]))
        return body

    deletion = ProxyRule(removed, None, after=True, answered=True, change=once_told)
    with aged(deletion) as behind:
        (found,) = maintained(tables, *steps("orphans"), hear=told.append, **behind)
    assert found.facts | {"files": 0} == {"orphans": 1, "files": 0, "named": [strays[0]], "removed": 1}
    assert named == [True]
    assert [stands(gold, each) for each in strays] == [False, True]
    assert [each for each in files if not stands(gold, each)] == []
    assert rows(gold) == before


def test_a_dry_run_names_what_would_go(tables: Tables) -> None:
    """And deletes nothing."""
    location, deletion = stray(tables[GOLD], AGED), ProxyRule(removed, None)
    with aged(deletion) as behind:
        (found,) = maintained(tables, *steps("orphans"), "--dry-run", **behind)
    assert (found.facts["orphans"], found.facts["named"], "removed" in found.facts) == (1, [location], False)
    assert deletion.done == 0
    assert stands(tables[GOLD], location)


def test_files_of_less_than_a_day_are_refused(tables: Tables) -> None:
    """Before anything is looked at: they may be of a commit that is still to come."""
    with pytest.raises(ConfigError, match="MAINTENANCE_ORPHAN_AGE_S"):
        maintained(tables, *steps("orphans"), MAINTENANCE_ORPHAN_AGE_S="86399")


def test_iceberg_refuses_them_too(spark: SparkSession, lake: Tables) -> None:
    """Whoever calls it."""
    gold = lake[GOLD]
    with pytest.raises(Exception, match="less than 24 hours"):
        Procedures(spark, f"{gold.namespace}.{GOLD}", gold.contract).remove_orphans(3_600, dry_run=False)
