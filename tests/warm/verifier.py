"""Whether a table equals its topics: every record's row, to the value, and nothing else; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.warm.oracle import Place, place

from k2_support.warm_tables import Row

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands of one record without FINAL: rows, how many of them differ, and over how many parts' partitions."""

    at: Place
    rows: int
    values: int
    partitions: int


def verify(table: str, wanted: Mapping[Place, Row], found: Sequence[Row]) -> list[str]:
    """What of a table, as a reader with FINAL finds it, is not as its topics say."""
    rows = {place(row): row for row in found}
    said = [
        *_named(table, "lacks", wanted.keys() - rows.keys()),
        *_named(table, "has, and no record is there,", rows.keys() - wanted.keys()),
    ]
    if len(rows) < len(found):
        said.append(f"{table}: {len(found) - len(rows)} rows stand twice under FINAL")
    return said + list(_differences(table, wanted, rows))


def _differences(table: str, wanted: Mapping[Place, Row], rows: Mapping[Place, Row]) -> Iterable[str]:
    wrong = [at for at in wanted.keys() & rows.keys() if wanted[at] != rows[at]]
    for at in sorted(wrong)[:_SHOWN]:
        names = [name for name in wanted[at] if rows[at].get(name) != wanted[at][name]]
        yield f"{table}: {len(wrong)} rows differ; {at}: {', '.join(names)}"


def verify_copies(table: str, copies: Iterable[Copies]) -> list[str]:
    """What stands without FINAL and will not be merged to what stands with it."""
    wrong = [each for each in copies if each.values > 1 or each.partitions > 1]
    return [f"{table}: {each} will not be one row" for each in wrong[:_SHOWN]]


def _named(table: str, what: str, places: Iterable[Place]) -> list[str]:
    found = sorted(places)
    return [f"{table} {what} {len(found)}: {', '.join(map(str, found[:_SHOWN]))}"] if found else []
