"""Hours of a relation in ClickHouse and of its cold table, as ClickHouse reads both: fingerprints, keys, and rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from k2_shared.arrow.slices import sliced
from k2_shared.cold.bounds import bounds, within
from k2_shared.cold.fingerprint import Fingerprint, checksum, hour_number, row_hash, sums
from k2_shared.cold.hours import Hour, TierHour
from k2_shared.core.aws_credentials import StoreKeys
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import Halt
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake.replacement import TableHead

SLICE_ROWS = 100_000
"""How many rows are held at once."""
_TIMEFRAMED = "gold_ohlcv_"
_FINAL = {"final": 1}
_MICROSECOND = "toUnixTimestamp64Micro(CAST({}, 'Nullable(DateTime64(6, ''UTC''))'))"
_KEYS = {"kafka_topic": "CAST({}, 'String')", "kafka_partition": "toInt64({})", "kafka_offset": "toInt64({})"}
_CANDLE_KEYS = {"exchange": "CAST({}, 'String')", "symbol": "CAST({}, 'String')", "window_start": _MICROSECOND}


@dataclass(frozen=True, slots=True)
class ColdSource:
    """A cold table at one moment, as ClickHouse reads it from the object store: by the metadata of its catalog.

    Without it ClickHouse takes the newest file that it finds, also one of a commit that failed.
    """

    url: str
    metadata_path: str
    keys: StoreKeys

    @classmethod
    def of(cls, settings: LakeSettings, location: str, head: TableHead) -> "ColdSource":
        """A table by its place in the store.

        Raises:
            Halt: its metadata is elsewhere.
            OSError: the file of keys cannot be read.
        """
        root = location.rstrip("/") + "/"
        if not head.metadata_location.startswith(root):
            raise Halt(
                f"a cold table has its metadata at {head.metadata_location}, and ClickHouse looks for it under {root}: "
                "unset the table's property write.metadata.path, or move the table"
            )
        bucket_and_path = root.partition("://")[2]
        return cls(
            url=f"{str(settings.s3_endpoint).rstrip('/')}/{bucket_and_path}",
            metadata_path=head.metadata_location.removeprefix(root),
            keys=settings.store_keys,
        )

    @property
    def sql(self) -> str:
        """The table function; its arguments are parameters of the query."""
        # A parameter is not taken in there; the catalog's names have neither quote nor backslash.
        return (
            "icebergS3({cold_url:String}, {cold_key:String}, {cold_secret:String}, {cold_token:String}, "
            f"SETTINGS iceberg_metadata_file_path = '{self.metadata_path}')"
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What the query is given for it."""
        keys = self.keys
        return {"cold_url": self.url, "cold_key": keys.key, "cold_secret": keys.secret, "cold_token": keys.token}


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """A key by its columns, and how many rows each tier has of it that the other has not."""

    key: Mapping[str, Any]
    warm: int
    cold: int


class TierHours:
    """The hours of one cold table's contract in both tiers, by a client of the warm tier's database.

    Every method blocks and raises what ``clickhouse_connect`` does; ``warm.client.failures`` tells it.
    """

    def __init__(self, client: Client, contract: ColdTableContract) -> None:
        self._client = client
        self._contract = contract

    def populated(self, first: Hour, last: Hour) -> dict[Hour, int]:
        """About how many rows the warm tier has of each hour, repeats that no merge has dropped yet among them."""
        sql = (
            f"SELECT {hour_number(self._contract)} AS hour_number, count() FROM {self._contract.relation} "  # noqa: S608
            f"WHERE {within(self._contract)} GROUP BY hour_number"
        )
        found = self._client.query(sql, bounds(first, last)).result_rows
        return {Hour(number): rows for number, rows in found}

    def warm(self, first: Hour, last: Hour) -> dict[Hour, TierHour]:
        """What the warm tier has of the hours from ``first`` to ``last``, those without rows left out."""
        found = self._tier(self._contract.relation, first, last, {})
        if self._has_kept_by:
            return found
        oldest = self._oldest(first, last)
        return {hour: TierHour(each.fingerprint, oldest.get(hour)) for hour, each in found.items()}

    def cold(self, source: ColdSource, first: Hour, last: Hour) -> dict[Hour, TierHour]:
        """What the cold table has of them."""
        return self._tier(source.sql, first, last, source.parameters)

    def lacking(self, source: ColdSource, hour: Hour) -> int:
        """How many keys cold has of an hour that warm has not, or of which warm's candle has fewer trades.

        Trades are only added to a candle: one of fewer is older, as a backup's is.
        """
        sides = (
            f"SELECT tuple({', '.join(self._keys.values())}) AS key, {self._amount} * {warm} AS in_warm, "  # noqa: S608
            f"{self._amount} * {1 - warm} AS in_cold FROM {relation} WHERE {within(self._contract)}"
            for warm, relation in ((1, self._contract.relation), (0, source.sql))
        )
        sql = (
            "SELECT count() FROM (SELECT key, max(in_warm) AS warm, max(in_cold) AS cold "  # noqa: S608
            f"FROM ({' UNION ALL '.join(sides)}) GROUP BY key HAVING cold > warm)"
        )
        ((count,),) = self._ask(sql, bounds(hour, hour) | source.parameters)
        return int(count)

    def differing(self, source: ColdSource, hour: Hour, most: int) -> list[KeyDifference]:
        """The first keys of an hour that one tier lacks, or of which the tiers' rows differ, in their order."""
        sides = (
            f"SELECT tuple({', '.join(self._keys.values())}) AS key, {row_hash(self._contract)} AS hash, "  # noqa: S608
            f"{warm} AS in_warm, {1 - warm} AS in_cold FROM {relation} WHERE {within(self._contract)}"
            for warm, relation in ((1, self._contract.relation), (0, source.sql))
        )
        sql = (
            "SELECT key, sum(warm), sum(cold) FROM (SELECT key, sum(in_warm) AS warm, sum(in_cold) AS cold "  # noqa: S608
            f"FROM ({' UNION ALL '.join(sides)}) GROUP BY key, hash HAVING warm != cold) "
            "GROUP BY key ORDER BY key LIMIT {most:UInt32}"
        )
        found = self._ask(sql, bounds(hour, hour) | source.parameters | {"most": most})
        return [KeyDifference(dict(zip(self._keys, key, strict=True)), warm, cold) for key, warm, cold in found]

    def slices(self, hour: Hour, slice_rows: int = SLICE_ROWS) -> Iterator[pa.Table]:
        """The warm tier's rows of an hour, in slices of about so many, symbol by symbol as far as they are large."""
        for symbols in packed(self._symbols(hour), slice_rows):
            yield from self._slices(hour, symbols, slice_rows)

    def define(self, statement: str) -> None:
        """Run a statement that makes something."""
        self._client.command(statement)

    def _slices(self, hour: Hour, symbols: Sequence[tuple[str, str]], slice_rows: int) -> Iterator[pa.Table]:
        sql = (
            f"SELECT {', '.join(self._names)} FROM {self._contract.relation} "  # noqa: S608  # a contract's
            f"WHERE {within(self._contract)} AND (exchange, symbol) IN {{symbols:Array(Tuple(String, String))}}"
        )
        given = bounds(hour, hour) | {"symbols": list(symbols)}
        with self._client.query_arrow_stream(sql, given, settings=_FINAL) as stream:
            yield from sliced(stream, slice_rows)

    def _symbols(self, hour: Hour) -> Mapping[tuple[str, str], int]:
        sql = (
            f"SELECT exchange, symbol, count() FROM {self._contract.relation} "  # noqa: S608  # a contract's
            f"WHERE {within(self._contract)} GROUP BY exchange, symbol ORDER BY exchange, symbol"
        )
        return {(exchange, symbol): count for exchange, symbol, count in self._ask(sql, bounds(hour, hour))}

    def _tier(self, relation: str, first: Hour, last: Hour, given: dict[str, str]) -> dict[Hour, TierHour]:
        contract, summed = self._contract, sums(self._contract)
        oldest = f"min({_MICROSECOND.format(contract.kept_by)})" if self._has_kept_by else "NULL"
        sql = (
            f"SELECT {hour_number(contract)} AS hour_number, count(), {checksum(contract)}, {oldest}, "  # noqa: S608
            f"{', '.join(summed.values())} FROM {relation} WHERE {within(self._contract)} GROUP BY hour_number"
        )
        return {
            Hour(number): TierHour(Fingerprint(rows, _sums(summed, totals), total), _moment(oldest_us))
            for number, rows, total, oldest_us, *totals in self._ask(sql, bounds(first, last) | given)
        }

    def _oldest(self, first: Hour, last: Hour) -> dict[Hour, datetime | None]:
        """Of hours of candles, by the table behind their view."""
        contract = self._contract
        sql = (
            f"SELECT {hour_number(contract)} AS hour_number, min({_MICROSECOND.format(contract.kept_by)}) "  # noqa: S608
            f"FROM {contract.kept_in} WHERE timeframe = {{timeframe:String}} AND {within(contract)} "
            "GROUP BY hour_number"
        )
        given = bounds(first, last) | {"timeframe": contract.name.removeprefix(_TIMEFRAMED)}
        return {Hour(number): _moment(oldest_us) for number, oldest_us in self._ask(sql, given)}

    def _ask(self, sql: str, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self._client.query(sql, dict(given), settings=_FINAL).result_rows
        return rows

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self._contract.columns]

    @property
    def _keys(self) -> dict[str, str]:
        """The columns that tell rows apart, and how both tiers say them alike."""
        kinds = _KEYS if "kafka_offset" in self._names else _CANDLE_KEYS
        return {name: kind.format(name) for name, kind in kinds.items()}

    @property
    def _amount(self) -> str:
        """How much a row has that must not become less: a candle its trades, any other itself."""
        return "1" if "kafka_offset" in self._names else "toInt64(trade_count)"

    @property
    def _has_kept_by(self) -> bool:
        return self._contract.kept_by in self._names


def packed(counts: Mapping[tuple[str, str], int], most: int) -> Iterator[list[tuple[str, str]]]:
    """Symbols by their rows, in their order, together as long as they have ``most`` rows at most. Pure."""
    held, total = list[tuple[str, str]](), 0
    for symbol, count in counts.items():
        if held and total + count > most:
            yield held
            held, total = [], 0
        held.append(symbol)
        total += count
    if held:
        yield held


def _moment(us: int | None) -> datetime | None:
    return None if us is None else Hour(0).start + timedelta(microseconds=us)


def _sums(summed: Mapping[str, str], totals: Sequence[Decimal]) -> dict[str, Decimal]:
    return dict(zip(summed, totals, strict=True))
