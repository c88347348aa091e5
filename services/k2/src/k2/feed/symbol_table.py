"""What ``k2 feed list`` shows: read from the topics of the feeds, and drawn for people."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from k2.feed.exchange_symbol import SymbolFilter
from k2.feed.overview import SymbolStatus, overview
from k2.feed.reading import read_topic
from k2.running import run
from k2.terminal import Column, table
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.kafka.topics import EVENTS, SYMBOLS

_STYLES = {"yes": "green", "stopped": "red", "no": "yellow"}
_DETAIL = 24
_COLUMNS = (
    Column("symbol"),
    Column("asked"),
    Column("captured"),
    Column("told", 5),
    Column("backfill from", 4, "right"),
    Column("resumption", 3),
    Column("event"),
    Column("at", 2),
    Column("detail", wraps=_DETAIL),
)


def read(symbol: str | None) -> tuple[list[SymbolStatus], int]:
    """The status of one symbol, or of every symbol and exchange, and how many records cannot be read. Blocks.

    Raises:
        ConfigError: that is no symbol, or a topic does not exist.
        Unavailable: no broker answered.
    """
    return run(_read(SymbolFilter.parse(symbol)))


async def _read(symbols: SymbolFilter) -> tuple[list[SymbolStatus], int]:
    settings = RunSettings.load()
    words = await read_topic(settings, SYMBOLS, feed_records.symbols.read, symbols.takes)
    events = await read_topic(settings, EVENTS, feed_records.events.read, symbols.takes)
    return overview(words.records, events.records), words.unreadable + events.unreadable


def as_table(statuses: Sequence[SymbolStatus], width: int) -> Table:
    """The statuses for people, no wider than that."""
    return table(_COLUMNS, [_cells(status) for status in statuses], width)


def _cells(of: SymbolStatus) -> list[str | Text]:
    symbol, asked, captured, *rest = ("" if value is None else str(value) for value in of.shown().values())
    return [symbol, asked, _judged(asked, captured), *rest]


def _judged(asked: str, captured: str) -> str | Text:
    """What the feed says, in the colour that it has beside what was asked: not to capture is right where nobody did."""
    return captured if asked == captured == "no" else Text(captured, _STYLES.get(captured, ""))
