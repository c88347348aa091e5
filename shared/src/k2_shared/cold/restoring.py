"""Rows of a cold table put back into the warm tier: those of records that Kafka no longer has. Everything blocks.

What Kafka still has is the warm sink's to fill: rows from beyond where a partition begins would tell it that the table
is filled up to them, and it would leave out what lacks between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from k2_shared.cold.bounds import bounds, microseconds, since, within
from k2_shared.cold.fingerprint import hour_number
from k2_shared.cold.hours import Hour
from k2_shared.cold.warm_hours import ColdSource
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake.replacement import HourlyTable

Begins = Mapping[tuple[str, int], int]
"""By topic and partition the first offset that Kafka has."""
_PLACE = "tuple(CAST(kafka_topic, 'String'), assumeNotNull(kafka_partition), assumeNotNull(kafka_offset))"
_GONE = (
    "arrayExists(each -> each.1 = kafka_topic AND each.2 = kafka_partition AND kafka_offset < each.3, "
    "{begins:Array(Tuple(String, Int32, Int64))})"
)
_KNOWN = "SELECT kafka_topic FROM sink_state FINAL WHERE table_name = {table:String}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are to be put back: of the hours from ``first`` to ``last``, and whose records Kafka has not any more.

    Rows that were received before ``since`` would be deleted at once.
    """

    first: Hour
    last: Hour
    begins: Begins
    since: datetime

    def of(self, hour: Hour) -> "Wanted":
        """The same of one hour."""
        return Wanted(hour, hour, self.begins, self.since)

    @property
    def parameters(self) -> dict[str, Any]:
        """What a query is given for it."""
        begins = [(topic, partition, first) for (topic, partition), first in self.begins.items()]
        return bounds(self.first, self.last) | {"begins": begins, "since": microseconds(self.since)}


class WarmRestore:
    """The restore of one relation of the warm tier from its cold table, by a client of the warm tier's database.

    Every method raises what ``clickhouse_connect`` does; ``warm.client.failures`` tells it.
    """

    def __init__(self, contract: ColdTableContract, settings: LakeSettings, client: Client, table: HourlyTable) -> None:
        self._contract = contract
        self._settings = settings
        self._client = client
        self._table = table

    def wanted(self, first: Hour, last: Hour, begins: Begins, now: datetime) -> Wanted:
        """What of these hours is to be put back at a moment: what the warm tier would still have."""
        return Wanted(first, last, begins, now - timedelta(hours=self._contract.warm_retention_hours))

    def check(self, begins: Begins) -> None:
        """See that the warm sink has begun to fill the relation.

        Raises:
            ConfigError: it has not noted a topic, and would halt at rows of it.
        """
        known = {topic for (topic,) in self._client.query(_KNOWN, {"table": self._contract.relation}).result_rows}
        if lacking := sorted({topic for topic, _ in begins} - known):
            raise ConfigError(
                f"warm_sink has not begun to fill {self._contract.relation} from {', '.join(lacking)}: start it, and "
                "wait until 'k2 lag' says that it is done; what it cannot fill is put back then"
            )

    def lacking(self, wanted: Wanted) -> dict[Hour, int]:
        """How many rows of each hour are to be put back, in the order of the hours.

        Raises:
            Halt: the cold table was dropped or recreated.
            Unavailable: it could not be read.
        """
        if (source := self._source()) is None:
            return {}
        number = hour_number(self._contract)
        sql = f"SELECT {number} AS hour_number, count() {self._rows(source)} GROUP BY hour_number ORDER BY hour_number"
        return {Hour(each): rows for each, rows in self._client.query(sql, self._given(source, wanted)).result_rows}

    def put_back(self, wanted: Wanted) -> None:
        """Insert what lacks; what the warm tier has of the same hours stays as it is, and a repeat finds nothing to do.

        Raises:
            Halt: the cold table was dropped or recreated.
            Unavailable: it could not be read.
        """
        if source := self._source():
            names = ", ".join(column.name for column in self._contract.columns)
            sql = f"INSERT INTO {self._contract.relation} ({names}) SELECT {names} {self._rows(source)}"
            self._client.command(sql, self._given(source, wanted))

    def _source(self) -> ColdSource | None:
        """The cold table as it is now; None where nothing was ever offloaded to it."""
        head = self._table.head()
        return None if head.snapshot_id is None else ColdSource.of(self._settings, self._table.location, head)

    def _rows(self, source: ColdSource) -> str:
        """The end of a query of the rows that lack."""
        contract = self._contract
        where = f"{within(contract)} AND {_GONE}"
        has = f"SELECT {_PLACE} FROM {contract.relation} WHERE {where}"  # noqa: S608  # a contract's
        lacks = f"{since(contract.kept_by)} AND {_PLACE} NOT IN ({has})"
        return f"FROM {source.sql} WHERE {where} AND {lacks}"

    def _given(self, source: ColdSource, wanted: Wanted) -> dict[str, Any]:
        return wanted.parameters | source.parameters
