"""Which trades are meant, as a query of the warm tier or of both. Pure."""

from dataclasses import dataclass

from k2.sql.symbol_times import SymbolTimes

LAST = 20
TABLE = "gold_trades"
BOTH_TIERS = "all_silver_trades"
KNOWN = f"(SELECT exchange, symbol FROM {TABLE} UNION ALL SELECT exchange, symbol FROM {BOTH_TIERS})"  # noqa: S608
"""The symbols that a tier knows."""
_COLUMNS = "timestamp, exchange, symbol, price, quantity, quote_volume, side, trade_id"
_SIDE = "CAST(side, 'Nullable(String)') AS side"
_PLACE = "kafka_topic, kafka_partition, kafka_offset"
_FORWARD = "timestamp, source_sequence, trade_id, exchange"
_BACKWARD = "timestamp DESC, source_sequence DESC, trade_id DESC, exchange DESC"
_REPEATS = 4  # rows of a trade that are not merged yet, on average


@dataclass(frozen=True, slots=True)
class Selection:
    """So many trades of a symbol and a time, or all of them."""

    of: SymbolTimes
    count: int | None

    @property
    def sql(self) -> str:
        """Trades in the order of their times: from the start on, or without one the last. For ``final=0``."""
        wanted = self.of.condition("timestamp")
        if self.of.start:
            limit = f" LIMIT {self.count}" if self.count else ""
            return f"SELECT {_COLUMNS} FROM {TABLE} FINAL WHERE {wanted} ORDER BY {_FORWARD}{limit}"  # noqa: S608  # values are parameters
        return f"SELECT {_COLUMNS} FROM ({self._last(wanted, self.count or LAST)}) ORDER BY {_FORWARD}"  # noqa: S608

    @property
    def enough(self) -> str:
        """Whether the warm tier has as many as the last that are meant."""
        count = self.count or LAST
        rows = f"SELECT exchange, trade_id FROM {TABLE} WHERE {self.of.condition('timestamp')} LIMIT {_REPEATS * count}"  # noqa: S608
        return f"SELECT uniqExact(exchange, trade_id) >= {count} FROM ({rows})"  # noqa: S608

    @property
    def in_both_tiers(self) -> str:
        """As ``sql``, of both tiers: gold's trades, and of those it has no more, silver's first deliveries."""
        wanted, columns = self.of.condition("timestamp"), f"{_COLUMNS}, source_sequence, {_PLACE}"
        tiers = (
            f"SELECT {columns.replace('side', _SIDE)}, {number} AS tier FROM {relation} WHERE {wanted}"  # noqa: S608
            for number, relation in enumerate((f"{TABLE} FINAL", BOTH_TIERS))
        )
        first = (
            f"SELECT * FROM ({' UNION ALL '.join(tiers)}) "  # noqa: S608
            f"ORDER BY tier, {_PLACE} LIMIT 1 BY exchange, symbol, trade_id"
        )
        if self.of.start:
            limit = f" LIMIT {self.count}" if self.count else ""
            return f"SELECT {_COLUMNS} FROM ({first}) ORDER BY {_FORWARD}{limit}"  # noqa: S608
        last = f"SELECT * FROM ({first}) ORDER BY {_BACKWARD} LIMIT {self.count or LAST}"  # noqa: S608
        return f"SELECT {_COLUMNS} FROM ({last}) ORDER BY {_FORWARD}"  # noqa: S608

    def _last(self, wanted: str, count: int) -> str:
        """The last trades; merged are only rows of the times that they are of, where the last day tells those."""
        source = f"{TABLE} FINAL WHERE {wanted} AND timestamp >= ({self._since(wanted, count)})"
        return f"SELECT {_COLUMNS}, source_sequence FROM {source} ORDER BY {_BACKWARD} LIMIT {count}"  # noqa: S608

    def _since(self, wanted: str, count: int) -> str:
        """A time from which on there are so many trades: that of the last rows, each of which may stand there again.

        Where they are too few, or of trades that are too few, it is the beginning of time.
        """
        newest = f"(SELECT max(timestamp) FROM {TABLE})"  # noqa: S608  # of which parts know theirs
        until = f"least({newest}, {{end:DateTime64(6, 'UTC')}})" if self.of.end else newest
        lately = f"{wanted} AND timestamp >= {until} - INTERVAL 1 DAY ORDER BY timestamp DESC LIMIT {_REPEATS * count}"
        rows = f"SELECT timestamp, exchange, trade_id FROM {TABLE} WHERE {lately}"  # noqa: S608
        found = f"uniqExact(exchange, trade_id) < {count}"
        return f"SELECT if({found}, toDateTime64(0, 6, 'UTC'), min(timestamp)) FROM ({rows})"  # noqa: S608
