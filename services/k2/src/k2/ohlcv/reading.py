"""Candles as the warm tier has them: rows of a result, and the candles that they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from k2.ohlcv.candle import Candle
from k2.sql.output import held
from k2.sql.values import text
from k2.sql.warm_reader import Column, Result, WarmReader

Row = Sequence[Any]
_KEY = ("exchange", "window_start")


@dataclass(frozen=True, slots=True)
class CandleRows:
    """Rows of candles of one symbol and timeframe, as a result gives them."""

    columns: Sequence[Column]
    rows: Sequence[Row]

    @classmethod
    def read(cls, reader: WarmReader, sql: str, parameters: Mapping[str, Any]) -> Self:
        """The rows of a query. Blocks.

        Raises:
            ConfigError: they are more than a person reads.
            K2Error: see ``WarmReader.result``.
        """
        with reader.result(sql, parameters) as result:
            return cls(result.columns, held(result.blocks))

    @property
    def result(self) -> Result:
        """The rows as a result again, in one block."""
        return Result(self.columns, iter([list(zip(*self.rows, strict=True))]), bool(self.rows))

    @property
    def candles(self) -> list[Candle]:
        """The candles, times in microseconds as the view has them."""
        names = [column.name for column in self.columns]
        return [Candle.of(dict(zip(names, map(_decoded, row), strict=True))) for row in self.rows]

    def by_window(self) -> dict[tuple[Any, ...], Row]:
        """The rows by exchange and window."""
        at = [index for index, column in enumerate(self.columns) if column.name in _KEY]
        return {tuple(row[index] for index in at): row for row in self.rows}

    def of(self, rows: Iterable[Row]) -> "CandleRows":
        """Other rows of the same columns."""
        return CandleRows(self.columns, list(rows))


def _decoded(value: Any) -> Any:
    return text(value) if isinstance(value, bytes) else value
