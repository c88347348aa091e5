"""How far tables are filled, for people."""

from collections.abc import Sequence

from k2.sink.reading import PartitionFill, TableFill
from k2.terminal import Column, print_table

_NONE = "-"
_TABLES = (
    Column("table"),
    Column("rows", 0, "right"),
    Column("behind", 0, "right"),
    Column("last commit s ago", 1, "right"),
    Column("snapshot", 2, "right"),
    Column("sink", 0),
)
_PARTITIONS = (
    Column("topic"),
    Column("partition", 0, "right"),
    Column("in the table", 0, "right"),
    Column("committed", 1, "right"),
    Column("kafka has from", 2, "right"),
    Column("up to", 0, "right"),
    Column("behind", 0, "right"),
)


def print_tables(found: Sequence[TableFill]) -> None:
    """A line for each table."""
    print_table(_TABLES, [_table(each) for each in found])


def print_partitions(of: TableFill) -> None:
    """A line for each partition of a table's topics: the next offsets of table and group, and those that Kafka has."""
    print_table(_PARTITIONS, [_partition(each) for each in of.partitions])


def _table(of: TableFill) -> tuple[str, ...]:
    age = _NONE if of.age_s is None else f"{of.age_s:,.1f}"
    return of.name, f"{of.rows:,}", f"{of.behind:,}", age, _number(of.snapshot), "halts" if of.halt else "goes on"


def _partition(of: PartitionFill) -> tuple[str, ...]:
    offsets = (_number(each) for each in (of.table_offset, of.committed, of.start, of.end, of.behind))
    return of.topic, str(of.partition), *offsets


def _number(value: int | None) -> str:
    return _NONE if value is None else str(value)
