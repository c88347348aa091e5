"""Rows of one symbol and a time, as the commands that show such ask the warm tier for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from k2.feed.exchange_symbol import SymbolFilter
from k2.tail.selection import point_in_time
from k2_shared.core.errors import ConfigError
from k2_shared.core.symbol import near
from k2_shared.kafka.topics import EXCHANGES

if TYPE_CHECKING:
    from k2.sql.warm_reader import WarmReader


@dataclass(frozen=True, slots=True)
class SymbolTimes:
    """A symbol of one exchange or all, and a time: from a moment on and before another."""

    exchanges: tuple[str, ...]
    symbol: str
    start: datetime | None
    end: datetime | None

    @classmethod
    def parse(cls, text: str | None, start: str | None, end: str | None, now: datetime) -> Self:
        """Read what the command line says; without a symbol, the empty one is meant.

        Raises:
            ConfigError: it is no symbol, a time is none, or the end is not after the start.
        """
        of = SymbolFilter.parse(text)
        exchanges = (of.exchange,) if of.exchange else tuple(EXCHANGES)
        found = cls(exchanges, of.symbol or "", _time("--from", start, now), _time("--to", end, now))
        if found.start and found.end and found.end <= found.start:
            raise ConfigError(f"--to {end} is not after --from {start}: nothing lies between")
        return found

    def condition(self, column: str) -> str:
        """That a row is meant, by what its table is sorted by: of one exchange rows are read in the order of times."""
        bounds = (("start", ">="), ("end", "<"))
        given = [f"{column} {sign} {{{name}:DateTime64(6, 'UTC')}}" for name, sign in bounds if getattr(self, name)]
        exchange = "= {exchange:String}" if len(self.exchanges) == 1 else "IN {exchanges:Array(String)}"
        return " AND ".join([f"exchange {exchange} AND symbol = {{symbol:String}}", *given])

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the condition."""
        times = {name: each for name in ("start", "end") if (each := getattr(self, name))}
        return {
            "exchange": self.exchanges[0],
            "exchanges": list(self.exchanges),
            "symbol": self.symbol,
            **{name: f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for name, each in times.items()},
        }

    def check_known(self, reader: "WarmReader", table: str, text: str, what: str) -> None:
        """Return if a table has rows of the symbol at other times, by whatever is called ``what``. Blocks.

        Raises:
            ConfigError: it has none; says which it has that are near to the text.
        """
        pairs = _symbols(reader, table)
        if any(exchange in self.exchanges and symbol == self.symbol for exchange, symbol in pairs):
            return
        meant = near(self.symbol, sorted({symbol for _, symbol in pairs}))
        named = [f"{exchange}:{symbol}" for each in meant for exchange, symbol in pairs if symbol == each]
        others = f"near it: {', '.join(named)}" if named else f"it has {len(pairs)} symbols, and none near it"
        raise ConfigError(f"gold has no {what} of {text}; {others}")


def _symbols(reader: "WarmReader", table: str) -> list[tuple[str, str]]:
    """The exchanges and symbols of which a table has rows."""
    from k2.sql.values import text as decoded

    known = f"SELECT DISTINCT exchange, symbol FROM {table} ORDER BY symbol, exchange"  # noqa: S608  # a table of ours
    with reader.result(known, final=0) as result:  # what is told apart here needs no merge
        blocks: Iterable[Any] = result.blocks
        return [
            (decoded(exchange), decoded(symbol)) for block in blocks for exchange, symbol in zip(*block, strict=True)
        ]


def _time(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if found := point_in_time(text, now):
        return found
    raise ConfigError(f"{option} {text!r} is no time: it is 2026-11-26T12:00:00Z or an age (15m; s, m, h or d)")
