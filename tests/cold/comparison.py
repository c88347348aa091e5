"""The check that each cold table has the rows of the log, each once and to the last digit, as pyiceberg reads it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.cold.content import Content, Key, Row, place

from k2_shared.cold.tables import cold_tables
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg

_SHOWN = 3


def unlike(catalog: Any, names: Names, content: Content) -> list[str]:
    """What of the cold tables is not as the log says, or nothing."""
    return [line for name in cold_tables() for line in _of_table(catalog, names, content, name)]


def _of_table(catalog: Any, names: Names, content: Content, name: str) -> Iterator[str]:
    table = iceberg.find(catalog, names, cold_tables()[name])
    assert table is not None
    rows: list[Row] = table.scan().to_arrow().to_pylist()
    found = {_key(row): row for row in rows}
    wanted = content.log.get(name, {})
    doubled = [key for key, count in Counter(map(_key, rows)).items() if count > 1]
    yield from _said(name, "stand twice", doubled)
    yield from _said(name, "lack", [key for key in wanted if key not in found])
    yield from _said(name, "are in no log", [key for key in found if key not in wanted])
    both = (key for key in wanted if key in found)
    yield from _said(name, "differ", [key for key in both if _values(found[key]) != _values(wanted[key])])


def _said(name: str, what: str, keys: list[Key]) -> Iterator[str]:
    if keys:
        yield f"{name}: {len(keys)} rows {what}: {keys[:_SHOWN]}"


def _key(row: Row) -> Key:
    return place(row) if "kafka_offset" in row else (row["exchange"], row["symbol"], row["window_start"])


def _values(row: Row) -> Mapping[str, Any]:
    return {
        name: dict(value) if name == "vendor_data" and value else value or _empty(value) for name, value in row.items()
    }


def _empty(value: Any) -> Any:
    """Nothing for an empty map as for none; any other value as it is."""
    return None if value == [] else value
