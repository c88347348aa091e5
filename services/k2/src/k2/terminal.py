"""How commands print: tables that fit a terminal, numbers and times for people."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    Rows = Sequence[Sequence[str | Text]]

_PLAIN_WIDTH = 200
_GAP = 2
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_DURATIONS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; where the terminal is too narrow those with the highest ``drop`` go first, 0 never.

    One of sentences may be wrapped: no column goes for more of it than ``wraps`` characters, where that is given.
    It has at least as many characters as ``least``.
    """

    title: str
    drop: int = 0
    justify: Literal["left", "right"] = "left"
    wraps: int | None = None
    least: int = 0


def console() -> "Console":
    """Stdout: as wide as the terminal, or wide enough for whatever is not one.

    What prints to it raises BrokenPipeError where nobody reads on, as writing to stdout does.
    """
    from rich.console import Console

    class Stdout(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that rich handles now; rich itself would exit with 1

    return Stdout(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)


def say(out: "Console", line: str, indent: int = 0, style: str = "") -> None:
    """Print a line of text: wrapped between words on a terminal, so that no name is cut, and whole elsewhere."""
    from rich.padding import Padding
    from rich.text import Text

    if out.is_terminal:
        out.print(Padding(Text(line, style, overflow="fold"), (0, 0, 0, indent), expand=False))
    else:
        out.print(" " * indent + line, soft_wrap=True, markup=False, emoji=False)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """How far a long piece of work is, on stderr where that is a terminal; the block says what more is done.

    What it writes to stderr meanwhile stands above.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    shown = Console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)


def table(columns: Sequence[Column], rows: "Rows", width: int, *, has_titles: bool = True) -> "Table":
    """A table no wider than that: columns are left out, and what still does not fit is wrapped, never cut."""
    from rich.table import Table
    from rich.text import Text

    kept = fitting(columns, rows, width)
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=has_titles)
    for index in kept:
        each = columns[index]
        made.add_column(each.title, justify=each.justify, overflow="fold", min_width=each.least)
    for row in rows:
        cells = (row[index] for index in kept)
        made.add_row(
            *(Text(cell) if isinstance(cell, str) else cell for cell in cells)
        )  # a str would be read as markup
    return made


def print_table(columns: Sequence[Column], rows: "Rows", *, has_titles: bool = True) -> None:
    """Print a table to stdout: no wider than the terminal, and as wide as it is where there is none."""
    out = console()
    if not out.is_terminal:
        out.width = max(out.width, _total(widths(columns, rows)))
    out.print(table(columns, rows, out.width, has_titles=has_titles))


def fitting(columns: Sequence[Column], rows: "Rows", width: int) -> list[int]:
    """The indexes of the columns that fit into a width, or that must not be left out."""
    each = widths(columns, rows)
    kept = list(range(len(columns)))
    while _total([each[index] for index in kept]) > width:
        last = max(kept, key=lambda index: columns[index].drop)
        if not columns[last].drop:
            break
        kept.remove(last)
    return kept


def widths(columns: Sequence[Column], rows: "Rows") -> list[int]:
    """The characters that each column must have."""
    return [_width(column, [row[index] for row in rows]) for index, column in enumerate(columns)]


def _total(widths: Sequence[int]) -> int:
    """The characters of a line, with what stands between its columns."""
    return sum(widths) + _GAP * (len(widths) - 1)


def _width(column: Column, cells: "Sequence[str | Text]") -> int:
    longest = max((len(line) for cell in cells for line in cell.split("\n")), default=0)
    wanted = longest if column.wraps is None else min(longest, column.wraps)
    return max(len(column.title), column.least, wanted)


def moment(ms: float | None) -> str:
    """A time in milliseconds since the epoch, as ISO 8601 in UTC; a number that no calendar holds stays one."""
    if ms is None:
        return ""
    try:
        return (_UNIX_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{ms:g} ms"


def size(count: int | None) -> str:
    """Bytes in three digits and a unit; a question mark where they are not known."""
    if count is None:
        return "?"
    power = min(max(0, (len(str(count)) - 1) // 3), len(_UNITS) - 1)
    return f"{count / 1_000**power:.3g} {_UNITS[power]}" if power else f"{count} B"


def span(seconds: float | None) -> str:
    """A duration in its largest unit: ``90 s``, ``12 m``, ``7 d``; nothing where there is none."""
    if seconds is None:
        return ""
    for length, unit in _DURATIONS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"
