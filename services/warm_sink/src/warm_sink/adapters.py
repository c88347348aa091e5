"""The warm tier's tables in ClickHouse: rows go in, and what stands there is told. Every method blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa
from clickhouse_connect.driver.binding import format_str
from clickhouse_connect.driver.client import Client

from k2_shared.core.logs import logger
from k2_shared.core.retries import reason
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.candle_rows import Pair
from k2_shared.warm.client import TooLarge, connect, database, failures
from warm_sink.rules import Landmark, Source, Standing

T = TypeVar("T")

_INSERT = {
    "async_insert": 0,  # an insert that is answered stands in the table
    "input_format_null_as_default": 0,
}
HALVED = "warm_insert_halved"
_COMPRESSION = "lz4"
_PLACE, _OTHERWISE = ("kafka_topic", "kafka_partition", "kafka_offset"), ("exchange", "symbol")
_ENDS = "SELECT kafka_topic, kafka_partition, max(kafka_offset) + 1 FROM {table:Identifier} GROUP BY ALL"
_TEXT, _NUMBER, _TIME = (
    "{0} = {{{0}:String}}",
    "{0} = {{{0}:Int64}}",
    "{0} = fromUnixTimestamp64Micro({{{0}:Int64}}, 'UTC')",
)
_STANDS = "SELECT 1 FROM {table:Identifier} WHERE "
_SOURCES = """
SELECT kafka_topic, cluster_id, topic_id, partitions FROM sink_state FINAL WHERE table_name = {table:String}
"""
_SIZES = """
SELECT table, count(), sum(rows), sum(bytes_on_disk) FROM system.parts
WHERE active AND database = {database:String} GROUP BY table
"""
_MEMORY = "SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'"
_MEMORY_LIMIT = "SELECT toInt64(value) FROM system.server_settings WHERE name = 'max_server_memory_usage'"
_DISKS = "SELECT name, free_space, total_space FROM system.disks WHERE NOT is_remote"
_INCOMPLETE = """
SELECT toString(timeframe), count() FROM candles_missing WHERE timeframe IN ('1h', '1d') GROUP BY timeframe
"""
_MISSING = """
SELECT exchange, sum(arraySum(arrayMap((first, last) -> last - first + 1, first_ids, last_ids))) FROM missing_ids FINAL
GROUP BY exchange
"""
_SOURCE_COLUMNS = ["table_name", "kafka_topic", "cluster_id", "topic_id", "partitions", "began_at"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The parts, rows and bytes on disk of a table."""

    parts: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of a disk of the server's: those that are free, and all."""

    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Measures:
    """What the server says: the sizes of tables, the memory that it uses and may use; 0 where it has no limit.

    ``disks`` are its own, by name, without stores elsewhere, which have no end.
    ``incomplete`` counts such hours and days by timeframe, ``missing_ids`` ids by venue.
    """

    tables: Mapping[str, Sizes]
    memory: int
    memory_limit: int
    disks: Mapping[str, Disk]
    incomplete: Mapping[str, int]
    missing_ids: Mapping[str, int]


class Warehouse:
    """A client of the warm tier's database, made when it is needed and anew after a failure.

    For one thread at a time.
    """

    def __init__(self, settings: ClickHouseSettings, names: Names) -> None:
        self._settings = settings
        self._database = database(settings, names)
        self._client: Client | None = None

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows; once it returns they stand in the table. What is not answered may stand there, or a part of it.

        What the server cannot take at once goes by halves, down to a single row.

        Raises:
            Unavailable: the server is away, or cannot take them now.
            ConfigError, Halt: it refuses them.
        """
        try:
            self._asked(lambda client: client.insert_arrow(table, rows, settings=_INSERT))
        except TooLarge as error:
            if rows.num_rows == 1:
                raise TooLarge(f"the row of {_known_by(rows)}, {rows.nbytes:,} bytes: {error}") from None
            logger().warning(HALVED, table=table, rows=rows.num_rows, reason=reason(error))
            middle = rows.num_rows // 2
            self.insert(table, rows.slice(0, middle))
            self.insert(table, rows.slice(middle))

    def stands(self, table: str, landmark: Landmark) -> bool:
        """Whether a row is in a table.

        Raises:
            Unavailable: the server is away, or cannot say it now.
        """
        known = {_TEXT: landmark.texts, _NUMBER: landmark.numbers, _TIME: landmark.times}
        conditions = " AND ".join(form.format(name) for form, columns in known.items() for name in columns)
        of = {"table": table, **landmark.texts, **landmark.numbers, **landmark.times}
        return bool(self._asked(lambda client: client.query(f"{_STANDS}{conditions} LIMIT 1", of).result_rows))

    def standing(self, table: str) -> Standing:
        """Read what a table says of itself.

        Raises:
            Unavailable: the server is away, or cannot say it now.
            ConfigError: there is no such table.
        """
        return self._asked(lambda client: _standing(client, table))

    def sources(self, table: str) -> Mapping[str, Source]:
        """The topics that a table was filled from.

        Raises:
            Unavailable: the server is away, or cannot say it now.
        """
        return self._asked(lambda client: _sources(client, table))

    def remember(self, table: str, sources: Mapping[str, Source]) -> None:
        """Note from which topics a table is filled.

        Raises:
            Unavailable: the server is away, or cannot take it now.
        """
        now = datetime.now(UTC)
        rows = [[table, topic, *_row(source), now] for topic, source in sources.items()]
        self._asked(lambda client: client.insert("sink_state", rows, column_names=_SOURCE_COLUMNS, settings=_INSERT))

    def ask(self, sql: str, **given: Any) -> Sequence[Sequence[Any]]:
        """The rows of a query, with ``{name:Type}`` in it given.

        Raises:
            Unavailable: the server is away, or cannot say it now.
        """
        return self._asked(lambda client: client.query(sql, given).result_rows)

    def read(self, sql: str) -> pa.Table:
        """The rows of a query, by column.

        Raises:
            Unavailable: the server is away, or cannot say it now.
        """
        return self._asked(lambda client: client.query_arrow(sql, use_strings=True))

    def measure(self) -> Measures:
        """Ask the server for sizes, memory and disks.

        Raises:
            Unavailable: the server is away, or cannot say it now.
        """
        return self._asked(_measures)

    def close(self) -> None:
        """End the connection."""
        if self._client:
            self._client.close()
        self._client = None

    def _asked(self, ask: Callable[[Client], T]) -> T:
        with failures(self._settings):
            try:
                self._client = self._client or connect(self._settings, self._database, compress=_COMPRESSION)
                return ask(self._client)
            except BaseException:
                self.close()  # whatever is left on its connection is not the next answer
                raise


def literal(pair: Pair) -> str:
    """A venue and a symbol as a query spells them, without parentheses."""
    return ", ".join(map(format_str, pair))


def _known_by(rows: pa.Table) -> str:
    """By what people find the first row."""
    names = _PLACE if "kafka_offset" in rows.column_names else _OTHERWISE
    return ", ".join(f"{name} {rows[name][0]}" for name in names)


def _standing(client: Client, table: str) -> Standing:
    found = client.query(_ENDS, {"table": table}).result_rows
    return Standing(_sources(client, table), {(topic, partition): end for topic, partition, end in found})


def _sources(client: Client, table: str) -> dict[str, Source]:
    found = client.query(_SOURCES, {"table": table}).result_rows
    return {topic: Source(*source) for topic, *source in found}


def _row(source: Source) -> tuple[str, str, int]:
    return source.cluster_id, source.topic_id, source.partitions


def _measures(client: Client) -> Measures:
    found = client.query(_SIZES, {"database": client.database}).result_rows
    (memory,), (limit,) = client.query(_MEMORY).result_rows[0], client.query(_MEMORY_LIMIT).result_rows[0]
    incomplete = {"1h": 0, "1d": 0, **_counts(client, _INCOMPLETE)}
    sizes = {table: Sizes(*sizes) for table, *sizes in found}
    disks = {name: Disk(*bytes_) for name, *bytes_ in client.query(_DISKS).result_rows}
    return Measures(sizes, memory, limit, disks, incomplete, _counts(client, _MISSING))


def _counts(client: Client, sql: str) -> dict[str, int]:
    return {str(of): int(count) for of, count in client.query(sql).result_rows}
