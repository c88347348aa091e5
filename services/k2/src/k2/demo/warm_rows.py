"""Compares the rows of a warm tier's table with the records of its topics, place by place and value by value. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from k2_support.warm_tables import Row

SHOWN = 10
WARM = "{} (warm)"
"""How a table is called among those of the lake."""
Place = tuple[bytes, int, int]
"""Topic, partition and offset: what a row is known by on both sides."""


@dataclass(frozen=True)
class WarmRows:
    """What a table holds beside what its topics do; ``ids`` by message id, where rows have one.

    ``missing``, ``excess`` and ``unlike`` name the first rows that Kafka alone has, that it does not have, and whose
    values are others there.
    """

    rows: int
    records: int
    ids: Counter[str] = field(default_factory=Counter)
    missing: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether it holds each record's row, and no other."""
        return not (self.missing or self.excess or self.unlike)


def compared(wanted: Sequence[Row], found: Sequence[Row]) -> WarmRows:
    """Compare a table's rows with those that its topics' records must have; a place that is there twice is too many."""
    by_place = {_place(row): row for row in wanted}
    first = {_place(row): row for row in reversed(found)}
    return WarmRows(
        rows=len(found),
        records=len(wanted),
        ids=Counter(filter(None, map(_message_id, found))),
        missing=_some(row for place, row in by_place.items() if place not in first),
        excess=_some(row for row in found if _place(row) not in by_place or first[_place(row)] is not row),
        unlike=tuple(islice(_unlike(by_place, first), SHOWN)),
    )


def _unlike(wanted: Mapping[Place, Row], found: Mapping[Place, Row]) -> Iterator[str]:
    for place, row in wanted.items():
        other = found.get(place, row)
        names = [name for name in row if row[name] != other.get(name)]
        if names:
            said = (f"{name} {_text(other.get(name))} instead of {_text(row[name])}" for name in names)
            yield f"{_named(row)} has {', '.join(said)}"


def _some(rows: Iterator[Row]) -> tuple[str, ...]:
    return tuple(map(_named, islice(rows, SHOWN)))


def _named(row: Row) -> str:
    """The id of a row, where it has one, and its place."""
    topic, partition, offset = _place(row)
    symbol = f"{_text(row['exchange'])}:{_text(row['symbol'])}" if "symbol" in row else ""
    ids = f"{symbol}:{row['first_id']} to {row['last_id']} {row['state']}" if "first_id" in row else symbol
    return " ".join(filter(None, (_message_id(row) or ids, f"at {_text(topic)}[{partition}]@{offset}")))


def _message_id(row: Row) -> str | None:
    trade_id = row.get("trade_id")
    return f"{_text(row['exchange'])}:{_text(row['symbol'])}:{_text(trade_id)}" if trade_id else None


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _place(row: Row) -> Place:
    return row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]
