"""Which rows are of closed partitions."""

from datetime import UTC, datetime

import pytest

from k2_shared.batch.partitions import closed_rows
from k2_shared.core import contracts

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
DAY = "DATE '2026-03-01'"
ALL = {each.name: each for each in contracts.iceberg_tables()}


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("gold_crypto_trades", f"(exchange_date < {DAY} OR (exchange_date = {DAY} AND exchange_hour < 0))"),
        ("bronze_crypto_trades", "ingestion_date < DATE '2026-03-01'"),
        ("silver_kraken_trades", "exchange_date < DATE '2026-03-01'"),
        ("silver_dlq_trades", "refused_date < DATE '2026-03-01'"),
        ("raw_trades", "ingestion_timestamp < TIMESTAMP '2026-03-01 00:00:00'"),
        ("silver_trades", "timestamp < TIMESTAMP '2026-03-01 00:00:00'"),
        ("gold_ohlcv_1m", "window_start < TIMESTAMP '2026-03-01 00:00:00'"),
        ("consistency", "audited_at < TIMESTAMP '2026-03-01 00:00:00'"),
    ],
)  # fmt: skip
def test_a_partition_is_closed_an_hour_after_its_end(table: str, condition: str) -> None:
    """By the hour, the day or the month that it is of."""
    assert closed_rows(ALL[table], NOW) == condition


@pytest.mark.parametrize("table", ["gold_crypto_trades", "bronze_crypto_trades", "raw_trades"])
def test_within_the_hour_after_its_end_it_is_open(table: str) -> None:
    """Rows of its last minutes are on their way."""
    at = NOW.replace(hour=0, minute=59)
    assert "2026-02-28" in closed_rows(ALL[table], at)
    assert "2026-03-01" not in closed_rows(ALL[table], at)
