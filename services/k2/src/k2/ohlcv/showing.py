"""How candles are shown: all at once, or as they come and change; as a table, a chart, or for machines."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console, Group
from rich.live import Live

from k2.ohlcv.candle import Candle
from k2.ohlcv.following import Changes, changes
from k2.ohlcv.reading import CandleRows
from k2.ohlcv.selection import LONGEST_KEPT, Selection
from k2.ohlcv.view import CandleTable, charts, drawn
from k2.sql.output import Form, write
from k2.sql.warm_reader import WarmReader
from k2.terminal import console
from k2_shared.core.errors import ConfigError

Show = Callable[[Changes], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which candles are to be shown, and how."""

    selection: Selection
    form: Form
    as_chart: bool
    following: bool

    def check(self) -> None:
        """Return if all of it can be done at once.

        Raises:
            ConfigError: two options exclude each other.
        """
        if self.as_chart and self.form.is_for_machines:
            raise ConfigError("a result has one form: give one of --chart, --json, --csv and --parquet")
        if self.following and self.form.parquet:
            raise ConfigError(
                "--follow has no end, and a Parquet file is there when it is whole: leave one of them out"
            )
        if self.following and self.selection.of.end:
            raise ConfigError("--follow goes on with what comes: leave --to out")


def show(reader: WarmReader, asked: Asked, text: str) -> None:
    """Show what is asked for of the symbol that the text says. Blocks, and where it follows, until Ctrl-C.

    Raises:
        ConfigError: there is no such symbol, or what is asked for is too much to be laid out.
        K2Error: see ``WarmReader.result``.
    """
    if asked.form.is_for_machines and not asked.following:
        _write(reader, asked, text)
        return
    wanted = _as_many_as_fit(asked)
    first = CandleRows.read(reader, wanted.sql, wanted.parameters)
    if not first.rows:
        _say_none(reader, asked, text)
    with _showing(asked) as put:
        if first.rows:
            put(Changes(first, first))
        if asked.following:
            for each in changes(reader, wanted, first):
                put(each)


def _write(reader: WarmReader, asked: Asked, text: str) -> None:
    """Write a result as it comes, which need not be held."""
    wanted = asked.selection
    with reader.result(wanted.sql, wanted.parameters) as result:
        if result.has_rows:
            write(result, asked.form)
            return
    _say_none(reader, asked, text)


def _say_none(reader: WarmReader, asked: Asked, text: str) -> None:
    asked.selection.of.check_known(reader, LONGEST_KEPT, text, "candle")
    sys.stderr.write("no such candle\n")


def _as_many_as_fit(asked: Asked) -> Selection:
    """The selection; of a chart that nobody has limited, more candles than a line has room for are not read."""
    wanted = asked.selection
    limited = wanted.count or wanted.of.start or not asked.as_chart
    return wanted if limited else replace(wanted, count=console().width)


@contextmanager
def _showing(asked: Asked) -> Iterator[Show]:
    """What shows candles, for the length of the block."""
    if asked.as_chart:
        with _drawing(asked) as draw:
            yield lambda found: draw(found.now.candles)
    elif asked.form.is_for_machines:
        yield _Lines(asked.form).write
    else:
        table = CandleTable()
        yield lambda found: table.print(found.changed.candles)


@dataclass
class _Lines:
    """Writes rows as they come, the names of a CSV once."""

    form: Form

    def write(self, found: Changes) -> None:
        write(found.changed.result, self.form)
        sys.stdout.flush()
        self.form = replace(self.form, has_names=False)


@contextmanager
def _drawing(asked: Asked) -> Iterator[Callable[[Sequence[Candle]], None]]:
    """What draws charts: each in the place of the one before, where it follows on a terminal."""
    out = console()
    if not (asked.following and out.is_terminal):
        yield lambda candles: _draw(out, candles, asked.selection)
        return
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as screen:
        yield lambda candles: screen.update(Group(*charts(candles, out.width)), refresh=True)


def _draw(out: Console, candles: Sequence[Candle], wanted: Selection) -> None:
    for line in charts(candles, out.width):
        out.print(line)
    left_out = len(candles) - sum(map(len, drawn(candles, out.width)))
    if left_out and (wanted.count or wanted.of.start):
        sys.stderr.write(f"{left_out:,} earlier candles do not fit: a wider terminal has room for more\n")
