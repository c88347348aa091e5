"""Sinks of the tables that candles are made of, without Kafka: their records are lists, their rows in ClickHouse."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry

from k2_shared.candles.completeness import IdRange
from k2_shared.core import contracts
from k2_shared.core.metrics import CandleMetrics
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.core.trade import Trade, encode, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.kafka.topics import DLQ, GAPS, GOLD, Names
from k2_support.records import SCHEMA_ID, SCHEMAS, FakeRecord
from k2_support.warm_candles import Pair
from warm_sink import rows
from warm_sink.adapters import Warehouse
from warm_sink.candles import Candles
from warm_sink.missing import MissingIds
from warm_sink.rules import Source

SYMBOLS = ("ETH/USDT", "BTC/USDT", "SOL/USDT")
"""By the number of the partition that has them."""
SOURCES = {GOLD: Source("cluster", "topic", 12)}
MIDNIGHT = 1_762_732_800_000_000
MINUTE = 60_000_000
_LARGEST = Decimal("9999999999.99999999")


@dataclass
class Log:
    """The records of gold's topic, of the ledger and of dead letters, and what they say, id by id."""

    gold: dict[int, list[FakeRecord]] = field(default_factory=lambda: {0: [], 1: [], 2: []})
    ledger: list[FakeRecord] = field(default_factory=list)
    letters: list[FakeRecord] = field(default_factory=list)
    ids: set[tuple[str, int]] = field(default_factory=set)
    states: dict[tuple[str, int], GapState] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)

    def trade(self, partition: int, trade_id: int, at: int, **changes: Any) -> None:
        """Append a trade of the partition's symbol, so many µs after midnight, unless gold has its id."""
        symbol = SYMBOLS[partition]
        if (symbol, trade_id) not in self.ids:
            self.ids.add((symbol, trade_id))
            record = _record(GOLD, _trade(symbol, trade_id, at, **changes), partition, len(self.gold[partition]))
            self.gold[partition].append(record)

    def gap(self, symbol: str, first: int, last: int, state: GapState) -> None:
        """Append a record of the ledger."""
        self.states.update(((symbol, each), state) for each in range(first, last + 1))
        record = GapRecord(
            exchange="KRAKEN",
            symbol=symbol,
            state=state,
            first_id=first,
            last_id=last,
            cause=Cause.RECONNECT,
            opened_at=MIDNIGHT,
            at=feed_records.now_us(),
        )
        out = feed_records.gaps.outgoing(record)
        self.ledger.append(FakeRecord(out.key, out.value, GAPS, 0, len(self.ledger)))

    def letter(self, symbol: str, trade_id: int) -> None:
        """Append the dead letter of a trade."""
        self.refused.add((symbol, trade_id))
        self.letters.append(_record(DLQ, _trade(symbol, trade_id, 0), 0, len(self.letters)))

    def missing(self) -> dict[Pair, list[IdRange]]:
        """Which ids are missing, each as a range."""
        named = {at for at, state in self.states.items() if state is not GapState.FILLED} | self.refused
        found: dict[Pair, list[IdRange]] = {}
        for symbol, each in named - self.ids:
            found.setdefault(("KRAKEN", symbol), []).append((each, each))
        return found


class Sink:
    """A sink from its start to its death: it inserts what it is given, and what follows that."""

    def __init__(self, settings: ClickHouseSettings, names: Names, most_older: int = 5) -> None:
        self.warehouse = Warehouse(settings, names)
        self.registry = CollectorRegistry()
        self.candles = Candles(self.warehouse, most_older, CandleMetrics(self.registry))
        self.missing = MissingIds(self.warehouse)
        self.filled = self.candles.begin(SOURCES)

    def put(self, table: str, records: Sequence[FakeRecord]) -> Any:
        """Insert the rows of records; returns them."""
        made = rows.of_table(contracts.warm_tables()[table], {}, {GOLD: SCHEMAS, DLQ: SCHEMAS})(list(records))
        self.warehouse.insert(table, made)
        return made

    def gold(self, records: Sequence[FakeRecord]) -> None:
        """Insert trades, and all that follows them."""
        if records:
            made = self.put("gold_trades", records)
            assert self.candles.follow(made)
            self.missing.follow_gold(made)

    def ledger(self, records: Sequence[FakeRecord]) -> None:
        """Insert records of the ledger, and what follows them."""
        if records:
            self.missing.follow_ledger(self.put("gaps", records))

    def letters(self, records: Sequence[FakeRecord]) -> None:
        """Insert dead letters, and what follows them."""
        if records:
            self.missing.follow_letters(self.put("dead_letters", records))


def _trade(symbol: str, trade_id: int, at: int, **changes: Any) -> Trade:
    chance = random.Random(f"{symbol} {trade_id}")
    price = chance.choice([_LARGEST, Decimal("0.00000001"), Decimal(chance.randrange(1, 10**12)).scaleb(-8)])
    quantity = chance.choice([_LARGEST, Decimal("0.00000001"), Decimal(chance.randrange(1, 10**12)).scaleb(-8)])
    given: dict[str, Any] = {"price": price, "quantity": quantity, "side": "BUY", "vendor_data": None, **changes}
    return Trade("KRAKEN", symbol, trade_id, MIDNIGHT + at, given.pop("price"), given.pop("quantity"), **given)


def _record(topic: str, trade: Trade, partition: int, offset: int) -> FakeRecord:
    now_us = feed_records.now_us()  # what was received long ago expires at once
    data = encode(trade, now_us, wire_prefix(SCHEMA_ID))
    return FakeRecord(trade.key, data, topic, partition, offset, now_us // 1_000, ())
