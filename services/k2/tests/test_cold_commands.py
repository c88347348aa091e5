"""``k2 offload`` and ``k2 consistency`` as a person uses them, on the real ClickHouse, catalog and store."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.warm_hours import fill
from k2_support.warm_tables import WarmTables, warm_tables

LAYERS = ["raw", "bronze", "silver", "gold 1m", "gold 5m", "gold 15m", "gold 30m", "gold 1h", "gold 1d"]
FILLED = ("raw_trades", "bronze_trades", "silver_trades", "candles")
HOUR = "2026-02-28T23:00Z"


class Tiers:
    """Both tiers of this test's prefix, an hour of each kind of rows in the warm one."""

    def __init__(self, names: Names, warm: WarmTables, catalog: Catalog) -> None:
        self.names, self.warm, self._catalog = names, warm, catalog

    def k2(self, words: str) -> Result:
        """The command, with these words."""
        return CliRunner().invoke(app, words.split(), env={"K2_PREFIX": self.names.prefix})

    def rows(self, words: str = "") -> dict[str, Any]:
        """What ``k2 consistency`` says by layer, in the order in which it does."""
        found = json.loads(self.k2(f"consistency --json {words}").stdout)
        assert found["equal"] == all(each["equal"] for each in found["rows"])
        return {each["layer"]: each for each in found["rows"]}

    def cold(self, table: str) -> int:
        """How many rows a cold table has."""
        found = iceberg.find(self._catalog, self.names, contracts.cold_tables()[table])
        return 0 if found is None else iceberg.row_count(found)


@pytest.fixture
def tiers(names: Names) -> Iterator[Tiers]:
    """Nothing is offloaded yet."""
    catalog, tables = iceberg.connect(LakeSettings.load()), contracts.cold_tables().values()
    with warm_tables(ClickHouseSettings.load(), names) as warm:
        for each in FILLED:
            fill(warm, each, 400)
        for contract in tables:
            iceberg.create(catalog, names, contract)
        yield Tiers(names, warm, catalog)
        for contract in tables:
            catalog.drop_table(iceberg.identifier(names, contract))


def test_an_offload_makes_both_tiers_equal(tiers: Tiers) -> None:
    """In all nine layers; a second one finds nothing to write."""
    done = tiers.k2("offload run --json")
    assert done.exit_code == 0, done.stderr
    written = {each["table"]: each["written"] for each in json.loads(done.stdout)}
    assert [sum(hours.values()) for hours in written.values()][:2] == [
        tiers.cold("raw_trades"),
        tiers.cold("bronze_trades"),
    ]
    assert written["silver_trades"] == {HOUR: tiers.cold("silver_trades")}
    found = tiers.rows()
    assert list(found) == LAYERS
    for name in LAYERS[:4]:
        assert found[name]["warm"] == found[name]["cold"] > 0
        assert (found[name]["equal"], found[name]["hours"]) == (True, 1)
    assert tiers.cold("bronze_trades") == 400, "what cannot be decoded has no time of the exchange, and is there too"
    again = json.loads(tiers.k2("offload run --json").stdout)
    assert [each["written"] for each in again] == [{}] * 9


def test_a_dry_run_says_what_an_offload_would_write_and_writes_nothing(tiers: Tiers) -> None:
    """By hour on stderr; both tiers differ as before, which is exit 1."""
    done = tiers.k2("offload run --dry-run --table silver_trades")
    assert done.exit_code == 0
    assert f"silver_trades {HOUR}: 400 rows would be written (--dry-run)" in done.stderr
    assert tiers.cold("silver_trades") == 0
    differs = tiers.k2("consistency --layer silver_trades")
    assert differs.exit_code == 1
    assert f"silver {HOUR} differs (to write): warm rows=400" in differs.stdout
    assert "cold nothing" in differs.stdout


def test_late_rows_are_found_and_repaired(tiers: Tiers) -> None:
    """A row that came after the offload: its hour is written again."""
    tiers.k2("offload run --table silver_trades")
    tiers.warm.command("INSERT INTO silver_trades SELECT * REPLACE(9000 AS kafka_offset) FROM silver_trades LIMIT 1")
    assert (late := tiers.rows()["silver"])["equal"] is False
    assert (late["warm"], late["cold"]) == (401, 400)
    assert tiers.k2("consistency --layer silver_trades --repair").exit_code == 0
    assert tiers.cold("silver_trades") == 401


def test_cold_does_not_shrink(tiers: Tiers) -> None:
    """Rows that warm has lost stay in cold, the hour is named, and the exit is 3, until a person gives them up."""
    tiers.k2("offload run")
    tiers.warm.command("DELETE FROM silver_trades WHERE kafka_offset IN (5, 6, 9)")
    refused = tiers.k2("offload run")
    assert refused.exit_code == 3
    assert f"in silver_trades {HOUR}: not written" in refused.stderr
    assert tiers.cold("silver_trades") == 400
    assert tiers.k2("consistency").exit_code == 1
    assert tiers.k2("offload run --allow-shrink").exit_code == 0
    assert tiers.cold("silver_trades") == 397
    assert tiers.rows()["silver"]["equal"] is True


def test_an_hour_that_expires_is_named_and_left(tiers: Tiers) -> None:
    """One row that is about to leave the warm tier is enough: what is missing of the hour nobody knows."""
    tiers.k2("offload run --table silver_trades")
    old = "subtractHours(now64(6, 'UTC'), 29 * 24 + 1) AS ingestion_timestamp, 9000 AS kafka_offset"
    tiers.warm.command(f"INSERT INTO silver_trades SELECT * REPLACE({old}) FROM silver_trades LIMIT 1")  # noqa: S608
    assert (found := tiers.rows()["silver"])["expiring"] == [HOUR]
    assert (found["hours"], found["equal"]) == (0, True)
    assert f"silver: not compared, rows leave the warm tier: {HOUR}" in tiers.k2("consistency").stdout
    assert json.loads(tiers.k2("offload run --table silver_trades --json").stdout)[0]["expiring"] == [HOUR]
    assert tiers.cold("silver_trades") == 400


def test_hours_are_chosen_by_time(tiers: Tiers) -> None:
    """One, or those between two times."""
    for words, hours in [
        ("--hour 2026-02-28T23:10Z", [HOUR]),
        ("--from 2026-02-28T23:00Z --to 2026-03-01T00:00Z", [HOUR]),
        ("--from 2026-03-01T00:00Z", []),
        ("--to 2026-02-28T23:00Z", []),
    ]:
        done = tiers.k2(f"offload run --table silver_trades --dry-run --json {words}")
        assert list(json.loads(done.stdout)[0]["written"]) == hours, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "offload run --table gold",
            "'gold' is no cold table: they are raw_trades, bronze_trades, silver_trades, gold_ohlcv_1m",
        ),
        ("offload run --hour soon", "--hour soon is no time: pass one as 2026-11-26T12:00Z"),
        ("offload run --hour 2h --from 3h", "pass one of both"),
        ("consistency --from 2h --to 3h", "--to 3h is not after --from 2h"),
        ("consistency --layer silver", "'silver' is no cold table"),
    ],
)
def test_what_cannot_be_meant_is_misuse(words: str, said: str) -> None:
    """Nothing is asked of any server."""
    done = CliRunner().invoke(app, words.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_tables_the_command_that_creates_them_is_named(names: Names) -> None:
    """Of the first one that lacks."""
    with warm_tables(ClickHouseSettings.load(), names):
        done = CliRunner().invoke(app, ["offload", "run"], env={"K2_PREFIX": names.prefix})
    assert done.exit_code == 2
    assert "_cold.raw_trades does not exist: run 'k2 init'" in done.stderr
