"""The warm tier's migrations: applied once, one at a time, and never away from what they say."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from k2_shared.cold.tables import cold_tables
from k2_shared.cold.views import view_of
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.settings import ClickHouseReaderSettings, ClickHouseSettings
from k2_shared.warm import client as clients
from k2_shared.warm import migrations
from k2_shared.warm.migrations import Migration
from k2_support.ports import free_port

TABLES = {"raw_trades", "bronze_trades", "silver_trades", "gold_trades", "dead_letters", "gaps", "sink_state"}
OF_CANDLES = {"candle_rebuilds", "candles", "missing_ids", "candles_missing", "ohlcv"}
CANDLE_VIEWS = {f"gold_ohlcv_{timeframe}" for timeframe in ("1m", "5m", "15m", "30m", "1h", "1d")}
VIEWS = CANDLE_VIEWS | {view_of(each) for each in cold_tables().values()}
COLUMN_TYPES = {
    "string": {"String", "LowCardinality(String)", "Enum8('BUY' = 1, 'SELL' = 2)"},
    "long": {"Nullable(Int64)"},
    "timestamptz": {"DateTime64(6, 'UTC')"},
    "decimal(18, 8)": {"Decimal(18, 8)"},
    "map<string, string>": {"Map(LowCardinality(String), String)"},
}


def columns(warm: Client, table: str) -> dict[str, str]:
    rows = warm.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {t:String}",
        parameters={"t": table},
    ).result_rows
    return dict(map(tuple, rows))


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> list[Migration]:
    """The migrations, which a test may change as a newer version of k2 would."""
    known = list(migrations.migrations())
    monkeypatch.setattr(migrations, "migrations", lambda: known)
    return known


def test_the_files_are_numbered_without_a_gap() -> None:
    """Every file of the folder is a migration, from 0001 on."""
    files = [entry.name for entry in (contracts.ROOT / "clickhouse").iterdir()]
    assert [each.number for each in migrations.migrations()] == list(range(1, len(files) + 1))


def test_every_statement_can_be_repeated() -> None:
    """A migration that was cut short is applied again: nothing in it may fail or act twice."""
    statements = [statement for each in migrations.migrations() for statement in each.statements]
    assert all(
        re.search(r"\bIF (NOT )?EXISTS\b|\bMODIFY SETTING\b|\bMATERIALIZE INDEX\b", statement)
        for statement in statements
    )


def test_a_database_that_does_not_exist_lacks_all(warm: Client) -> None:
    """Nothing is applied, nothing is wrong, and nothing was made by looking."""
    found = migrations.standing(warm)
    assert (found.applied, found.pending, found.drift) == ([], list(migrations.migrations()), [])


def test_they_are_applied_once(warm: Client) -> None:
    """The first makes every table, the second does nothing."""
    assert migrations.apply(warm) == migrations.migrations()
    assert migrations.apply(warm) == []
    assert {name for (name,) in warm.query("SHOW TABLES").result_rows} == TABLES | OF_CANDLES | VIEWS | {
        "schema_migrations"
    }


def test_four_at_once_apply_them_once(warm: Client, clickhouse: ClickHouseSettings) -> None:
    """Whoever comes while another works waits for it, and finds nothing to do."""
    others = [clients.connect(clickhouse, str(warm.database)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(migrations.apply, others))
    assert sorted(map(len, done)) == [0, 0, 0, len(migrations.migrations())]


def test_one_that_was_cut_short_is_applied_again(warm: Client) -> None:
    """Its table stands, and it is not listed as applied: as after a kill between the two."""
    warm.command(f"CREATE DATABASE {warm.database}", use_database=False)
    for statement in migrations.migrations()[0].statements:
        warm.command(statement)
    assert migrations.apply(warm) == migrations.migrations()


def test_a_dead_holder_of_the_lock_is_named(warm: Client) -> None:
    """The error says who holds it since when, and which table to drop."""
    migrations.apply(warm)
    warm.command("CREATE TABLE schema_migrations_lock (nothing UInt8) ENGINE = Memory COMMENT 'pod-7 since noon'")
    with pytest.raises(Unavailable, match=rf"pod-7 since noon.*drop table {warm.database}\.schema_migrations_lock"):
        migrations.apply(warm, patience_s=0)


def test_a_failure_frees_the_lock(warm: Client, extended: list[Migration]) -> None:
    """The next one need not wait for anybody."""
    extended.append(Migration(99, "broken", "CREATE TABLE IF NOT EXISTS broken (a Nonsense) ENGINE = Memory;"))
    with pytest.raises(DatabaseError):
        migrations.apply(warm)
    extended.pop()
    assert migrations.apply(warm) == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DROP TABLE gold_trades SYNC", "table gold_trades is missing"),
        ("ALTER TABLE gold_trades DROP COLUMN currency", "gold_trades: column currency is 'missing'"),
        (
            "ALTER TABLE silver_trades MODIFY COLUMN vendor_data Map(String, String)",
            "column vendor_data is 'Map(String",
        ),
        ("DROP VIEW all_raw_trades SYNC", "table all_raw_trades is missing"),
        ("CREATE OR REPLACE VIEW all_raw_trades AS SELECT 1 AS one", "all_raw_trades: column symbol is 'missing'"),
        ("ALTER TABLE raw_trades MODIFY TTL toDateTime(ingestion_timestamp) + INTERVAL 1 HOUR", "toIntervalHour(1)"),
    ],
)
def test_drift_is_refused_by_name(warm: Client, damage: str, named: str) -> None:
    """A table, a column, a type, a TTL: nothing is applied to a database that somebody changed by hand."""
    migrations.apply(warm)
    warm.command(damage)
    with pytest.raises(Halt, match=re.escape(named)):
        migrations.apply(warm)


def test_what_only_the_database_has_is_no_drift(warm: Client) -> None:
    """Somebody's own table, or a column more, harms nobody."""
    migrations.apply(warm)
    warm.command("ALTER TABLE gold_trades ADD COLUMN note String")
    warm.command("CREATE TABLE mine (a Int64) ENGINE = MergeTree ORDER BY a")
    assert migrations.standing(warm).drift == []


def test_a_migration_that_was_changed_afterwards_is_refused(warm: Client, extended: list[Migration]) -> None:
    """What is applied is never edited: another migration changes it."""
    migrations.apply(warm)
    extended[0] = replace(extended[0], sql=extended[0].sql + "-- better\n")
    with pytest.raises(Halt, match="migration 0001_raw_trades was changed"):
        migrations.apply(warm)


def test_an_older_version_does_not_touch_a_newer_database(warm: Client, extended: list[Migration]) -> None:
    """It says which migration it does not know."""
    migrations.apply(warm)
    last = extended.pop()
    with pytest.raises(Halt, match=f"migration {last.number:04} is applied, and this version has none"):
        migrations.apply(warm)


def test_a_newer_version_adds_its_own(warm: Client, extended: list[Migration]) -> None:
    """The former ones stay as they are."""
    migrations.apply(warm)
    extended.append(
        Migration(extended[-1].number + 1, "note", "ALTER TABLE gold_trades ADD COLUMN IF NOT EXISTS note String;")
    )
    assert migrations.apply(warm) == extended[-1:]
    assert migrations.standing(warm).drift == []
    assert "note" in columns(warm, "gold_trades")


def test_the_trades_have_the_columns_of_the_contract(warm: Client) -> None:
    """One name for one column in all tiers; silver, as its rows come by topic, does without the composed id."""
    migrations.apply(warm)
    gold, silver = columns(warm, "gold_trades"), columns(warm, "silver_trades")
    for field in contracts.trade_schema()["fields"]:
        assert gold[field["name"]] in COLUMN_TYPES[contracts.column_type(field["type"])]
    assert gold.keys() - silver.keys() == {"message_id"}
    assert silver.items() <= gold.items()


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    """The address, the system's own words, and what to check."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(
        Unavailable, match=rf"ClickHouse at {url} did not answer \(.*Connection refused\): check CLICKHOUSE_URL"
    ):
        clients.connect(ClickHouseSettings.load(clickhouse_url=url), "k2")


def test_a_wrong_password_is_a_wrong_setting(clickhouse: ClickHouseSettings) -> None:
    """It is not worth another attempt."""
    with pytest.raises(ConfigError, match="refuses user 'k2': check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"):
        clients.connect(ClickHouseSettings.load(clickhouse_password="wrong"), "k2")


def test_a_readers_wrong_password_is_its_own_setting() -> None:
    """The variables that are named are those that it came from."""
    reader = ClickHouseReaderSettings.load(clickhouse_reader_password="wrong").as_reader()
    with pytest.raises(ConfigError, match="refuses user 'reader': check CLICKHOUSE_READER_USER and CLICKHOUSE_READER"):
        clients.connect(reader, "k2")
