"""Candles of one symbol as a chart of characters: prices over volumes over times. Pure.

A column is a candle, or a stretch of windows without trades. A body that rises is a heavy line and one that falls a
block, so that they differ without colours too.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise

from rich.text import Text

from k2.ohlcv.candle import Candle, moment
from k2.ohlcv.digits import fixed
from k2.ohlcv.scale import Scale
from k2_shared.candles.timeframes import TIMEFRAMES

THIRDS = 4
"""Of lines that a chart's prices have, where nobody asks for more or less."""
_EMPTY, _WICK, _BODY = range(3)
# By what the upper and the lower half of a character are.
_RISING = {
    (_EMPTY, _EMPTY): " ",
    (_WICK, _EMPTY): "╵",
    (_EMPTY, _WICK): "╷",
    (_WICK, _WICK): "│",
    (_BODY, _EMPTY): "╹",
    (_EMPTY, _BODY): "╻",
    (_BODY, _BODY): "┃",
    (_WICK, _BODY): "╽",
    (_BODY, _WICK): "╿",
}
_BLOCKS = {(_BODY, _EMPTY): "▀", (_EMPTY, _BODY): "▄", (_BODY, _BODY): "█", (_WICK, _BODY): "▄", (_BODY, _WICK): "▀"}
_FALLING = _RISING | _BLOCKS
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_VOLUME_LINES, _VOLUME = 2, "volume"
_MARK, _TICK = "?", "╵"
_UP, _DOWN, _DOUBT, _FAINT = "green", "red", "yellow", "dim"
_WIDEST = 3  # characters from one candle to the next, where few are drawn
_GAP = 2  # characters before prices, and between times
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_LEGEND = "┃ rises, █ falls"
_NAMES = {timeframe.width_us: timeframe.name for timeframe in TIMEFRAMES}

Columns = Sequence[Candle | None]


def legend(candles: Sequence[Candle]) -> str:
    """What the signs of their charts say."""
    marked = f"; {_MARK} is incomplete: trades of it are known to be missing"
    return _LEGEND + (marked if any(candle.lacks_trades for candle in candles) else "")


def fitting(candles: Sequence[Candle], width: int, thirds: int = THIRDS) -> list[Candle]:
    """The last candles, in the order of their windows and at least one, that a chart of a width has room for."""
    columns = _columns(candles)
    while len(columns) > (capacity := _capacity(columns, width, thirds)):
        columns = columns[-capacity:] if columns[-capacity] else columns[1 - capacity :]
    return _candles(columns)


def chart(drawn: Sequence[Candle], width: int, thirds: int = THIRDS) -> list[Text]:
    """A title and the chart of candles that fit.

    No line is longer than the width, where that holds a candle and its price.
    """
    columns = _columns(drawn)
    scale, most = Scale.of(drawn, thirds), max(candle.volume for candle in drawn)
    pitch = min(_WIDEST, max(1, _capacity(columns, width, thirds) // len(columns)))
    prices = [_line([_price(each, scale, line) for each in columns], pitch) for line in range(scale.lines)]
    volumes = [_line([_volume(each, most, line) for each in columns], pitch) for line in range(_VOLUME_LINES)]
    marks = [_line([_mark(each) for each in columns], pitch)] if any(each.lacks_trades for each in drawn) else []
    lines = [*prices, *marks, *volumes]
    labels = [*scale.labels(), *[""] * len(marks), *fixed([most]), *[""] * (_VOLUME_LINES - 2), _VOLUME]
    return [_title(drawn), *_labelled(lines, labels), _times(columns, pitch, width)]


def _columns(candles: Sequence[Candle]) -> list[Candle | None]:
    """The candles, and nothing where windows without trades are between two of them."""
    found: list[Candle | None] = [candles[0]]
    for before, candle in pairwise(candles):
        found += [candle] if before.window_end == candle.window_start else [None, candle]
    return found


def _capacity(columns: Columns, width: int, thirds: int) -> int:
    """The characters that are left for candles beside the labels of these."""
    drawn = _candles(columns)
    beside = [*Scale.of(drawn, thirds).labels(), *fixed([max(candle.volume for candle in drawn)]), _VOLUME]
    return max(1, width - _GAP - max(map(len, beside)))


def _candles(columns: Columns) -> list[Candle]:
    return [each for each in columns if each]


def _title(drawn: Sequence[Candle]) -> Text:
    first, last = drawn[0], drawn[-1]
    count = f"{len(drawn):,} {'candles' if len(drawn) > 1 else 'candle'} of {_NAMES[_width(first)]}"
    same_day = moment(first.window_start, "%F") == moment(last.window_end, "%F")
    end = moment(last.window_end, "%H:%M" if same_day else "%F %H:%M")
    still = "" if last.is_closed else ", the last still open"
    return Text(f"{first.exchange}:{first.symbol}  {count}, {moment(first.window_start)} to {end} UTC{still}")


def _line(cells: Sequence[tuple[str, str]], pitch: int) -> Text:
    made = Text()
    for sign, style in cells:
        made.append(sign, style if sign != " " else None)
        made.append(" " * (pitch - 1))
    return made


def _price(candle: Candle | None, scale: Scale, line: int) -> tuple[str, str]:
    if candle is None:
        return " ", ""
    halves = (2 * line, 2 * line + 1)
    wick = (scale.half(candle.high), scale.half(candle.low))
    body = (scale.half(max(candle.open, candle.close)), scale.half(min(candle.open, candle.close)))
    upper, lower = (_BODY if body[0] <= half <= body[1] else int(wick[0] <= half <= wick[1]) for half in halves)
    return (_RISING if candle.rises else _FALLING)[upper, lower], _style(candle)


def _volume(candle: Candle | None, most: Decimal, line: int) -> tuple[str, str]:
    """A part of a bar, which is at least an eighth of a line high."""
    if candle is None:
        return " ", ""
    eighths = int((candle.volume * 8 * _VOLUME_LINES / most).to_integral_value(ROUND_CEILING))
    return _EIGHTHS[min(8, max(0, eighths - 8 * (_VOLUME_LINES - 1 - line)))], _style(candle)


def _mark(candle: Candle | None) -> tuple[str, str]:
    return (_MARK, _DOUBT) if candle and candle.lacks_trades else (" ", "")


def _style(candle: Candle) -> str:
    return _UP if candle.rises else _DOWN


def _labelled(lines: Sequence[Text], labels: Sequence[str]) -> Iterator[Text]:
    longest = max(map(len, labels))
    for line, label in zip(lines, labels, strict=True):
        yield Text.assemble(line, (label.rjust(_GAP + longest) if label else "", _FAINT))


def _times(columns: Columns, pitch: int, width: int) -> Text:
    """When windows begin, under the first candle and then under as many as there is room for."""
    said = ""
    for number, candle in enumerate(columns):
        label = _TICK + _start(candle) if candle else ""
        if label and number * pitch >= len(said) + (_GAP if said else 0) and number * pitch + len(label) <= width:
            said = said.ljust(number * pitch) + label
    return Text(said, _FAINT)


def _start(candle: Candle) -> str:
    if _width(candle) < _HOUR_US:
        return moment(candle.window_start, "%H:%M")
    return moment(candle.window_start, "%m-%d %H:%M" if _width(candle) < _DAY_US else "%F")


def _width(candle: Candle) -> int:
    return candle.window_end - candle.window_start
