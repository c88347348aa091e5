"""Records for every table of the warm tier, written to their topics now: old ones would expire."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from k2_shared.core import contracts
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Consumed, Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Trade, contract_under, encode, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, RAW, SILVER, Names
from k2_support.topics import read, write
from k2_support.waiting import eventually
from k2_support.warm_candles import candles_are, missing_ids
from k2_support.warm_rows import expected
from k2_support.warm_tables import Row, WarmTables

_VENUE = "kraken"
_SYMBOLS = ("ETH/USDT", "BTC/USDT", "SOL/USDT")
_REFUSAL = {
    "topic": SILVER.format(exchange=_VENUE),
    "partition": "3",
    "offset": "41",
    "stage": "gold",
    "reason": "conflict",
    "detail": "price 1 ≠ 2",
    "service": "gold",
    "version": "0.1.0",
    "attempt": "2",
}
_DAY_US = 86_400_000_000
_TRADE_TOPICS = (BRONZE.format(exchange=_VENUE), SILVER.format(exchange=_VENUE), GOLD)


@dataclass
class Feeder:
    """Writes numbered trades; each is a frame, a delivery, a validated one and a gold one."""

    settings: RunSettings
    names: Names
    schema_id: int
    written: int = 0
    ids: list[str] = field(default_factory=list)

    async def trades(self, count: int, partition: int = 1, *, days_apart: int = 0) -> None:
        """Write so many trades to raw, bronze, silver and gold, with exchange times so many days apart."""
        made = [self.trade(number, days_apart, partition) for number in range(count)]
        frames = [b'{"trade_id": %d}' % each.trade_id for each in made]
        await self._write(RAW.format(exchange=_VENUE), frames, partition)
        for topic in _TRADE_TOPICS:
            await self._write(topic, [self.value(each) for each in made], partition)
        self.ids += [str(each.trade_id) for each in made]

    async def deliveries(self, values: Sequence[bytes | None], partition: int = 1) -> None:
        """Write values to bronze, whatever they are."""
        await self._write(BRONZE.format(exchange=_VENUE), values, partition)

    async def letters(self, count: int, partition: int = 1) -> None:
        """Write dead letters, and one record of somebody else."""
        said = {
            "topic": GOLD,
            "partition": "3",
            "offset": "41",
            "stage": "silver",
            "reason": "bad_price",
            "attempt": "2",
        }
        said |= {"detail": "price ≤ 0", "service": "silver", "version": "0.1.0", "time": str(time.time_ns())}
        headers = (*self._headers(), *((f"k2-dlq-{name}", value.encode()) for name, value in said.items()))
        values: list[Any] = [self.value(self.trade(number)) for number in range(count)]
        records = [Outgoing(DLQ, b"KRAKEN:BTC/USDT", each, _now_ms(), headers) for each in [*values, None]]
        await write(self.settings, self.names, [*records, Outgoing(DLQ, None, b"{}", _now_ms(), ())], partition)

    async def gaps(self, count: int) -> None:
        """Write records of the gap ledger."""
        now = feed_records.now_us()
        common = {"exchange": "KRAKEN", "symbol": "BTC/USDT", "cause": Cause.RECONNECT, "opened_at": now - 7, "at": now}
        states = list(GapState)
        made = [
            GapRecord(first_id=number + 1, last_id=number + 3, state=states[number % 3], **common)  # type: ignore[arg-type]
            for number in range(count)
        ]
        await write(self.settings, self.names, [feed_records.gaps.outgoing(each) for each in made], 0)

    async def everything(self, count: int) -> None:
        """Something to every topic, trades to several partitions."""
        for partition in range(3):
            await self.trades(count, partition)
            await self.letters(count, partition)
        await self.gaps(count)

    async def expected(self, table: str) -> list[Row]:
        """What the table must have: a row for each record that its topics have now."""
        found: list[Consumed] = []
        for topic in contracts.warm_tables()[table].topics:
            found += await read(self.settings, self.names, topic)
        return expected(table, found, contract_under(self.schema_id))

    async def arrive(self, tables: WarmTables, timeout_s: float = 120.0) -> None:
        """Wait until every table has as many rows as its topics have records now, and compare them, to the value.

        Then the candles, with those of a recomputation.
        """
        wanted = {table: await self.expected(table) for table in contracts.warm_tables()}

        def all_there() -> bool:
            return all(tables.count(table) >= len(rows) for table, rows in wanted.items())

        await eventually(all_there, "every row", timeout_s)
        for table, rows in wanted.items():
            assert tables.rows(table) == rows, table
        missing = missing_ids(wanted["gaps"], wanted["dead_letters"], wanted["gold_trades"])
        await eventually(lambda: candles_are(tables, missing), "the candles", timeout_s)

    def value(self, of: Trade) -> bytes:
        """A trade's record value, received now."""
        return encode(of, feed_records.now_us(), wire_prefix(self.schema_id))

    def trade(self, number: int, days_apart: int = 0, partition: int = 1) -> Trade:
        """The next trade, of the partition's symbol; what else it says depends on ``number``."""
        self.written += 1
        vendor_data = ({"ord_type": "limit"}, None, {})[number % 3]
        return Trade(
            "KRAKEN",
            _SYMBOLS[partition],
            self.written,
            feed_records.now_us() - number * days_apart * _DAY_US,
            Decimal("9999999999.99999999") - number,
            Decimal("0.00000001") * (number + 1),
            ("BUY", "SELL")[number % 2],
            vendor_data,
        )

    async def _write(self, topic: str, values: Sequence[bytes | None], partition: int) -> None:
        key = f"KRAKEN:{_SYMBOLS[partition]}".encode()
        records = [Outgoing(topic, key, value, _now_ms(), self._headers()) for value in values]
        await write(self.settings, self.names, records, partition)

    def _headers(self) -> tuple[tuple[str, bytes], ...]:
        return ((HEADER, Origin(time.time_ns(), connection_id=5, frame_number=self.written).pack()),)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
