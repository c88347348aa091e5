"""Compares the rows of a warm tier's table with those that it must have, place by place and value by value. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from k2_support.warm_tables import Row

SHOWN = 10
WARM = "{} (warm)"
"""How a table is called among those of the lake."""
Place = Hashable
"""What a row is known by on both sides."""


class Identity(NamedTuple):
    """What a table's rows are known by, and how one is called."""

    place: Callable[[Row], Place]
    name: Callable[[Row], str]


def _named(row: Row) -> str:
    """The id of a row, where it has one, and its place."""
    topic, partition, offset = _record(row)
    symbol = f"{_text(row['exchange'])}:{_text(row['symbol'])}" if "symbol" in row else ""
    ids = f"{symbol}:{row['first_id']} to {row['last_id']} {row['state']}" if "first_id" in row else symbol
    return " ".join(filter(None, (_message_id(row) or ids, f"at {_text(topic)}[{partition}]@{offset}")))


def _message_id(row: Row) -> str | None:
    trade_id = row.get("trade_id")
    return f"{_text(row['exchange'])}:{_text(row['symbol'])}:{_text(trade_id)}" if trade_id else None


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _record(row: Row) -> tuple[bytes, int, int]:
    return row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]


BY_RECORD = Identity(_record, _named)
"""By topic, partition and offset of the record of which a row is."""


@dataclass(frozen=True)
class WarmRows:
    """What a table holds beside what it must, as its topics' records; ``ids`` by message id, where rows have one.

    ``missing``, ``excess`` and ``unlike`` name the first rows that it lacks, that it must not have, and whose values
    must be others; ``mismatches`` are all of them.
    """

    rows: int
    records: int
    ids: Counter[str] = field(default_factory=Counter)
    missing: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    mismatches: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether it holds each row that it must, and no other."""
        return not (self.missing or self.excess or self.unlike)


def compared(wanted: Sequence[Row], found: Sequence[Row], known: Identity = BY_RECORD) -> WarmRows:
    """Compare a table's rows with those that it must have, known by their records' places where nothing else is said.

    A place that is there twice is too many.
    """
    place, name = known
    by_place = {place(row): row for row in wanted}
    first = {place(row): row for row in reversed(found)}
    missing = [row for at, row in by_place.items() if at not in first]
    excess = [row for row in found if place(row) not in by_place or first[place(row)] is not row]
    unlike = [(row, other) for at, row in by_place.items() if (other := first.get(at, row)) and _differing(row, other)]
    return WarmRows(
        rows=len(found),
        records=len(wanted),
        ids=Counter(filter(None, map(_message_id, found))),
        missing=tuple(map(name, missing[:SHOWN])),
        excess=tuple(map(name, excess[:SHOWN])),
        unlike=tuple(f"{name(row)} has {_said(row, other)}" for row, other in unlike[:SHOWN]),
        mismatches=len(missing) + len(excess) + len(unlike),
    )


def _differing(row: Row, other: Row) -> list[str]:
    return [name for name in row if row[name] != other.get(name)]


def _said(row: Row, other: Row) -> str:
    names = _differing(row, other)
    return ", ".join(f"{name} {_text(other.get(name))} instead of {_text(row[name])}" for name in names)
