"""Which trades are meant, as a query of the warm tier. Pure."""

from dataclasses import dataclass

from k2.sql.symbol_times import SymbolTimes

LAST = 20
TABLE = "gold_trades"
_COLUMNS = "timestamp, exchange, symbol, price, quantity, quote_volume, side, trade_id"
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
