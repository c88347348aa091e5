"""How a result is written: a table, JSON, CSV, or a Parquet file."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.datatypes.numeric import BigInt, Decimal, Float, IntBase

from k2.sql.values import cell, plain
from k2.sql.warm_reader import Block, Result
from k2_shared.core.errors import ConfigError

_MOST_ROWS = 10_000  # of a table, which is held to be laid out
_NUMBERS = (IntBase, BigInt, Float, Decimal)


@dataclass(frozen=True, slots=True)
class Form:
    """How a result is asked for: as JSON, as CSV, as a Parquet file, else as a table.

    ``drops`` says which columns of a table go first where it is too narrow; ``has_names`` whether CSV begins with the
    names of columns.
    """

    as_json: bool = False
    as_csv: bool = False
    parquet: Path | None = None
    drops: Mapping[str, int] = field(default_factory=dict)
    has_names: bool = True

    @property
    def is_for_machines(self) -> bool:
        """Whether it is no table."""
        return self.as_json or self.as_csv or self.parquet is not None

    def check(self, is_replacing: bool) -> None:
        """Return if it can be written.

        Raises:
            ConfigError: more than one form is asked for, or the file is there.
        """
        if self.as_json + self.as_csv + (self.parquet is not None) > 1:
            raise ConfigError("a result has one form: give one of --json, --csv and --parquet")
        if is_replacing and self.parquet is None:
            raise ConfigError("--force replaces the file of --parquet: give that too")
        if self.parquet is not None and self.parquet.exists() and not is_replacing:
            raise ConfigError(f"{self.parquet} is there: give another name, or --force to replace it")


def write(result: Result, form: Form) -> None:
    """Write a result to stdout, or to its file. Blocks.

    Raises:
        ConfigError: it is too long for a table, names cannot be told apart, or the file cannot be written.
        K2Error: as its blocks do, after what they gave is written.
    """
    if form.as_json:
        _write_json(result)
    elif form.as_csv:
        _write_csv(result, has_names=form.has_names)
    elif form.parquet:
        _write_parquet(result, form.parquet)
    else:
        _write_table(result, form.drops)


def _write_parquet(result: Result, path: Path) -> None:
    from k2.sql import parquet

    _refuse_doubles(result)
    rows = parquet.write(result, path)
    sys.stderr.write(f"{rows:,} rows stand in {path}\n")


def _write_json(result: Result) -> None:
    """An object for each row, on a line of its own."""
    _refuse_doubles(result)
    names, encoder = [column.name for column in result.columns], msgspec.json.Encoder()
    for block in _plain_blocks(result):
        rows = [dict(zip(names, row, strict=True)) for row in zip(*block, strict=True)]
        sys.stdout.write(encoder.encode_lines(rows).decode())


def _write_csv(result: Result, *, has_names: bool) -> None:
    """The names, then the rows; nothing for null."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if has_names and result.columns:
        writer.writerow(column.name for column in result.columns)
    for block in _plain_blocks(result):
        writer.writerows(zip(*([cell(value) for value in column] for column in block), strict=True))


def _write_table(result: Result, drops: Mapping[str, int]) -> None:
    """All rows under their names, numbers to the right; what steers a terminal is shown and not sent to it."""
    from k2.terminal import Column, print_table

    rows = [list(map(_printable, map(cell, row))) for row in held(_plain_blocks(result))]
    columns = [
        Column(each.name, drops.get(each.name, 0), "right" if isinstance(each.kind, _NUMBERS) else "left")
        for each in result.columns
    ]
    if columns:
        print_table(columns, rows)


def held(blocks: Iterable[Block]) -> list[Sequence[Any]]:
    """The rows of all blocks, for what lays them out.

    Raises:
        ConfigError: they are too many to be read by a person.
    """
    rows: list[Sequence[Any]] = []
    for block in blocks:
        rows += zip(*block, strict=True)
        if len(rows) > _MOST_ROWS:
            raise ConfigError(
                f"a table has at most {_MOST_ROWS:,} rows: LIMIT it, or give --json, --csv or --parquet FILE"
            )
    return rows


def _plain_blocks(result: Result) -> Iterator[Block]:
    changes = [plain(column.kind) for column in result.columns]
    for block in result.blocks:
        yield [list(map(change, column)) for change, column in zip(changes, block, strict=True)]


def _refuse_doubles(result: Result) -> None:
    names = [column.name for column in result.columns]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two columns are called {doubles[0]!r}: give one of them another name (… AS name)")


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    return character if character.isprintable() or character == "\n" else repr(character)[1:-1]
