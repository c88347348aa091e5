"""Which trades are meant, as a query of the warm tier. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from k2.feed.exchange_symbol import SymbolFilter
from k2.tail.selection import point_in_time
from k2_shared.core.errors import ConfigError
from k2_shared.kafka.topics import EXCHANGES

LAST = 20
_COLUMNS = "timestamp, exchange, symbol, price, quantity, quote_volume, side, trade_id"
_FORWARD = "timestamp, source_sequence, trade_id, exchange"
_BACKWARD = "timestamp DESC, source_sequence DESC, trade_id DESC, exchange DESC"
_REPEATS = 4  # rows of a trade that are not merged yet, on average
KNOWN = "SELECT DISTINCT exchange, symbol FROM gold_trades ORDER BY symbol, exchange"


@dataclass(frozen=True, slots=True)
class Selection:
    """Trades of a symbol, of one exchange or all, from a time on and before another."""

    exchanges: tuple[str, ...]
    symbol: str
    count: int | None
    start: datetime | None
    end: datetime | None

    @classmethod
    def parse(cls, text: str, count: int | None, start: str | None, end: str | None, now: datetime) -> Self:
        """Read what the command line says.

        Raises:
            ConfigError: it is no symbol, a time is none, or the end is not after the start.
        """
        of = SymbolFilter.parse(text)
        found = cls(
            (of.exchange,) if of.exchange else tuple(EXCHANGES),
            of.symbol or "",
            count,
            _time("--from", start, now),
            _time("--to", end, now),
        )
        if found.start and found.end and found.end <= found.start:
            raise ConfigError(f"--to {end} is not after --from {start}: no trade lies between")
        return found

    @property
    def sql(self) -> str:
        """Trades in the order of their times: from the start on, or without one the last. For ``final=0``."""
        bounds = (("start", ">="), ("end", "<"))
        given = [f"timestamp {sign} {{{name}:DateTime64(6, 'UTC')}}" for name, sign in bounds if getattr(self, name)]
        wanted = " AND ".join([self._key, *given])
        if self.start:
            limit = f" LIMIT {self.count}" if self.count else ""
            return f"SELECT {_COLUMNS} FROM gold_trades FINAL WHERE {wanted} ORDER BY {_FORWARD}{limit}"  # noqa: S608  # values are parameters
        return f"SELECT {_COLUMNS} FROM ({self._last(wanted, self.count or LAST)}) ORDER BY {_FORWARD}"  # noqa: S608

    def _last(self, wanted: str, count: int) -> str:
        """The last trades; merged are only rows of the times that they are of, where the last day tells those."""
        source = f"gold_trades FINAL WHERE {wanted} AND timestamp >= ({self._since(wanted, count)})"
        return f"SELECT {_COLUMNS}, source_sequence FROM {source} ORDER BY {_BACKWARD} LIMIT {count}"  # noqa: S608

    def _since(self, wanted: str, count: int) -> str:
        """A time from which on there are so many trades: that of the last rows, each of which may stand there again.

        Where they are too few, or of trades that are too few, it is the beginning of time.
        """
        newest = "(SELECT max(timestamp) FROM gold_trades)"  # of which parts know theirs
        until = f"least({newest}, {{end:DateTime64(6, 'UTC')}})" if self.end else newest
        lately = f"{wanted} AND timestamp >= {until} - INTERVAL 1 DAY ORDER BY timestamp DESC LIMIT {_REPEATS * count}"
        rows = f"SELECT timestamp, exchange, trade_id FROM gold_trades WHERE {lately}"  # noqa: S608
        found = f"uniqExact(exchange, trade_id) < {count}"
        return f"SELECT if({found}, toDateTime64(0, 6, 'UTC'), min(timestamp)) FROM ({rows})"  # noqa: S608

    @property
    def _key(self) -> str:
        """The condition on what the table is sorted by: of one exchange rows are read in the order of their times."""
        exchange = "= {exchange:String}" if len(self.exchanges) == 1 else "IN {exchanges:Array(String)}"
        return f"exchange {exchange} AND symbol = {{symbol:String}}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the query."""
        times = {name: each for name in ("start", "end") if (each := getattr(self, name))}
        return {
            "exchange": self.exchanges[0],
            "exchanges": list(self.exchanges),
            "symbol": self.symbol,
            **{name: f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for name, each in times.items()},
        }


def _time(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if found := point_in_time(text, now):
        return found
    raise ConfigError(f"{option} {text!r} is no time: it is 2026-11-26T12:00:00Z or an age (15m; s, m, h or d)")
