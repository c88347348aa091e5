"""Rows of the warm tier's gold table, and the command line beside them."""

import os
import subprocess
import sys
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal

from clickhouse_connect.driver.client import Client

from k2_shared.kafka.topics import Names
from k2_shared.warm import migrations

K2 = [sys.executable, "-m", "k2"]
DEADLINE_S = 120.0
MOST = Decimal("9999999999.99999999")
LEAST = Decimal("0.00000001")
AT = datetime(2026, 11, 26, 22, 57, 6, 61_001, UTC)


@dataclass(frozen=True)
class Gold:
    """A row of gold_trades."""

    message_id: str
    exchange: str
    symbol: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    quote_volume: Decimal
    timestamp: datetime
    currency: str
    side: str
    source_sequence: int | None
    ingestion_timestamp: datetime
    vendor_data: dict[str, str]
    kafka_offset: int


def gold(
    number: int,
    exchange: str = "KRAKEN",
    symbol: str = "BTC/USD",
    price: Decimal = Decimal("105435.8"),
    quantity: Decimal = LEAST,
    at: datetime = AT,
) -> Gold:
    """A trade that was received a moment ago, so that no TTL removes it."""
    message_id, currency = f"{exchange}:{symbol}:{number}", symbol.partition("/")[2]
    volume, now = price * quantity, datetime.now(UTC)
    values = (message_id, exchange, symbol, str(number), price, quantity, volume, at, currency, "SELL", number, now)
    return Gold(*values, {"ord_type": "limit"}, number)


def insert(warm: Client, *parts: list[Gold]) -> None:
    """Make the tables, and insert rows, each list of them as a part that nothing merges with another."""
    migrations.apply(warm)
    warm.command("SYSTEM STOP MERGES gold_trades")
    for rows in parts:
        warm.insert("gold_trades", [astuple(row) for row in rows], column_names=[each.name for each in fields(Gold)])


def k2(
    names: Names, *words: str, code: int = 0, stdin: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command on the test's own database; it must end with that code."""
    given = {**os.environ, "K2_PREFIX": names.prefix, **environment}
    done = subprocess.run(
        [*K2, *words], env=given, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == code, done
    return done
