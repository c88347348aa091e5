"""One view over both tiers: each row once, whatever has left the warm tier."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from k2_shared.cold.hours import Hour, Verdict
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.cold.views import definitions, first_warm, view_of
from k2_shared.cold.warm_hours import ColdSource
from k2_shared.core.aws_credentials import StoreKeys
from k2_shared.core.errors import Halt
from k2_shared.core.lake_settings import ColdSettings, LakeSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake.replacement import TableHead
from k2_shared.lake.retries import at_table
from k2_shared.warm import migrations
from k2_support.cold_tiers import ROWS, ColdTiers, cold_tiers

NOW = Hour(100)
CANDLES = "gold_ohlcv_1m"


@pytest.fixture
def tiers(names: Names) -> Iterator[ColdTiers]:
    """Nothing is offloaded yet."""
    with cold_tiers(names) as made:
        yield made


def offloaded(tiers: ColdTiers, ahead: timedelta = timedelta(), keys: Path | None = None) -> None:
    """Every hour of every table, and the views by what both tiers say so much later; perhaps with a file of keys."""
    now = datetime.now(UTC)
    given = {"s3_credentials_file": keys, "s3_secret_access_key": "other"} if keys else {}
    settings = ColdSettings.load(k2_prefix=tiers.names.prefix, **given)
    with opened(ColdOffload, settings, cold_tables(), lambda _: at_table(5)) as offloads:
        for each in offloads.values():
            verdicts = {}
            for chunk in each.chunks(now):
                for found in each.compared(now + ahead, chunk.first, chunk.last):
                    is_new = found.verdict is Verdict.TO_WRITE
                    verdicts[found.hour] = (each.write(found, now) if is_new else found).verdict
            each.publish(verdicts.items(), now)


def counts(tiers: ColdTiers) -> dict[str, int]:
    """How many rows the views have."""
    return {name: tiers.warm.ask(f"SELECT count() FROM {view_of(each)}")[0][0] for name, each in cold_tables().items()}  # noqa: S608


@pytest.mark.parametrize(
    ("hours", "seam"),
    [
        ({}, NOW),
        ({7: Verdict.EQUAL, 5: Verdict.OPEN}, Hour(5)),
        ({3: Verdict.EXPIRING, 4: Verdict.EXPIRING, 9: Verdict.EQUAL}, Hour(5)),
        ({3: Verdict.EQUAL, 4: Verdict.WOULD_SHRINK, 9: Verdict.OPEN}, Hour(5)),
    ],
)
def test_the_warm_tier_is_asked_from_the_hour_on_behind_which_none_expires(
    hours: dict[int, Verdict], seam: Hour
) -> None:
    """And for nothing before."""
    assert first_warm([(Hour(number), verdict) for number, verdict in hours.items()], NOW) == seam


def test_metadata_elsewhere_is_told() -> None:
    """ClickHouse takes it by its path in the table's place."""
    head = TableHead("s3://elsewhere/m.json", 1)
    with pytest.raises(Halt, match=r"at s3://elsewhere/m\.json, .* under s3://lake/t/: unset .* write\.metadata\.path"):
        ColdSource.of(LakeSettings.load(), "s3://lake/t", head)


def test_keys_are_quoted() -> None:
    """A secret with a quote ends no statement."""
    table, view = definitions(
        cold_tables()[CANDLES], NOW, ColdSource("http://s3/b/", "m.json", StoreKeys("k", r"a'b\c"))
    )
    assert r"'a\'b\\c'" in table
    assert " FINAL" not in view


def test_a_row_is_there_once_before_an_offload_after_it_and_when_warm_has_lost_it(
    tiers: ColdTiers, tmp_path: Path
) -> None:
    """Then it comes from cold, value by value as it was."""
    before = counts(tiers)
    assert (before["silver_trades"], before["bronze_trades"]) == (ROWS, ROWS)
    offloaded(tiers)
    assert counts(tiers) == before
    columns = ", ".join(column.name for column in cold_tables()[CANDLES].columns)
    asked = f"SELECT {columns} FROM all_{CANDLES} ORDER BY symbol, window_start"  # noqa: S608
    candles, silver = tiers.warm.ask(asked), tiers.warm.ask("SELECT * FROM all_silver_trades ORDER BY kafka_offset")
    known = LakeSettings.load().store_keys
    keys = tmp_path / "credentials"
    keys.write_text(f"[default]\naws_access_key_id = {known.key}\naws_secret_access_key = {known.secret}\n")
    offloaded(tiers, timedelta(days=29, hours=12), keys)
    for table in ("silver_trades", "candles"):
        tiers.warm.command(f"TRUNCATE TABLE {table}")
    found = counts(tiers)
    assert (found["silver_trades"], found[CANDLES]) == (ROWS, len(candles))
    assert tiers.warm.ask(asked) == candles
    assert tiers.warm.ask("SELECT * FROM all_silver_trades ORDER BY kafka_offset") == silver


def test_what_an_offload_has_made_is_no_drift(tiers: ColdTiers) -> None:
    """So that ``k2 init`` goes on at the next start, and an upgrade adds its migrations."""
    offloaded(tiers)
    assert migrations.apply(tiers.warm.client) == []
