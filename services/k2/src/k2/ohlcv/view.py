"""Candles for people: a table, whose lines may come one after another, and a chart of each exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from operator import attrgetter

from rich.text import Text

from k2.ohlcv.candle import Candle, moment
from k2.ohlcv.chart import THIRDS, chart, fitting, legend
from k2.ohlcv.digits import fixed, places
from k2.terminal import Column, print_table, widths

_PRICES = ("open", "high", "low", "close")
_SUMS = (("volume",), ("quote_volume",), ("vwap",))
# What a narrow terminal can do without, the first to go last.
_COLUMNS = (
    Column("window, UTC"),
    Column("exchange", 5),
    Column("symbol", 6),
    Column("open", 3, "right"),
    Column("high", 1, "right"),
    Column("low", 2, "right"),
    Column("close", 0, "right"),
    Column("volume", 4, "right"),
    Column("quote_volume", 8, "right"),
    Column("vwap", 9, "right"),
    Column("trades", 7, "right"),
    Column("state"),
)


@dataclass
class CandleTable:
    """A table on stdout to which lines are added: none has less digits or narrower columns than those before it."""

    _columns: Sequence[Column] = _COLUMNS
    _places: dict[tuple[str, ...], int] = field(default_factory=dict)

    def print(self, candles: Sequence[Candle]) -> None:
        """Add candles, under the titles where they are the first."""
        rows = self._rows(candles)
        has_titles = self._columns is _COLUMNS
        needed = widths(self._columns, rows)
        self._columns = [replace(each, least=least) for each, least in zip(self._columns, needed, strict=True)]
        print_table(self._columns, rows, has_titles=has_titles)

    def _rows(self, candles: Sequence[Candle]) -> list[list[str | Text]]:
        numbers = [column for names in (_PRICES, *_SUMS) for column in self._fixed(candles, names)]
        return [
            [moment(each.window_start), each.exchange, each.symbol, *said, f"{each.trade_count:,}", _state(each)]
            for each, *said in zip(candles, *numbers, strict=True)
        ]

    def _fixed(self, candles: Sequence[Candle], names: tuple[str, ...]) -> list[list[str]]:
        """Columns of numbers, all with the same digits after the point."""
        values = [[getattr(each, name) for each in candles] for name in names]
        self._places[names] = max(self._places.get(names, 0), places(chain(*values)))
        return [fixed(column, self._places[names]) for column in values]


def _state(candle: Candle) -> Text:
    return Text(candle.state, "yellow" if candle.lacks_trades else "")


def drawn(candles: Sequence[Candle], width: int, thirds: int = THIRDS) -> list[list[Candle]]:
    """The candles of each exchange and symbol that a chart has room for."""
    of = attrgetter("exchange", "symbol")
    return [fitting(list(group), width, thirds) for _, group in groupby(sorted(candles, key=of), of)]


def charts(candles: Sequence[Candle], width: int, thirds: int = THIRDS) -> list[Text]:
    """The lines of a chart of each exchange and symbol, one below the other, and what their signs say."""
    every = drawn(candles, width, thirds)
    lines = [line for each in every for line in (*chart(each, width, thirds), Text())]
    return [*lines[:-1], Text(legend(list(chain(*every))), "dim")] if every else []
