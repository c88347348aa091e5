"""What the topics were ever told, and what of both tiers' tables is not as they say."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.committed import CommittedRecords
from tests.lake.expected import Row, expected
from tests.lake.reading import TableReader
from tests.warm.oracle import Oracle, by_fastavro
from tests.warm.verifier import verify

from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_support.warm_tables import WarmTables

_SHOWN = 3


class Told:
    """Every committed record that was read since the beginning: what Kafka deletes afterwards stays known."""

    def __init__(self, settings: RunSettings, names: Names, schema_id: int = 0) -> None:
        self._settings, self._names = settings, names
        self.schema_id = schema_id
        self.begin_anew()

    def begin_anew(self) -> None:
        """The broker has less than before: forget what it was told."""
        self._committed = CommittedRecords(self._settings, self._names)
        self._oracle = Oracle(self._committed, self.schema_id)
        self._lake: dict[str, Counter[Row]] = {name: Counter() for name in contracts.tables()}
        self._golden = 0

    async def read_on(self) -> None:
        """Read to the topics' ends as they are now."""
        self._oracle.schema_id = self.schema_id
        await self._oracle.read_on()
        for name, contract in contracts.tables().items():
            records = await self._committed.read_on(name, contract.topics)
            self._lake[name].update(expected(contract, records, by_fastavro(self.schema_id)))
        self._golden += len(await self._committed.read_on("golden", [GOLD]))

    @property
    def is_drained(self) -> bool:
        """Whether each delivery is validated or refused, and each trade in gold, once."""
        rows = self._oracle.rows
        refused = sum(row["stage"] == b"silver" for row in rows["dead_letters"].values())
        silver = {(row["exchange"], row["symbol"], row["trade_id"]) for row in rows["silver_trades"].values()}
        gold = {(row["exchange"], row["symbol"], row["trade_id"]) for row in rows["gold_trades"].values()}
        return len(rows["bronze_trades"]) == len(rows["silver_trades"]) + refused and (
            silver == gold and len(gold) == self._golden
        )

    @property
    def deliveries(self) -> int:
        """How many there were."""
        return len(self._oracle.rows["bronze_trades"])

    def are_in_lake(self, environment: Mapping[str, str]) -> bool:
        """Whether the lake's tables have as many rows as they must."""
        return all(iceberg.row_count(table) >= self._lake[name].total() for name, table in self.tables(environment))

    def are_in_warm(self, warm: WarmTables, since: Mapping[tuple[str, int], int] | None = None) -> bool:
        """Whether the warm tier has as many rows as it must, where offsets are given of the records from there on."""
        return all(warm.count(name) >= len(self._places(name, since or {})) for name in contracts.warm_tables())

    def unlike_lake(self, environment: Mapping[str, str]) -> list[str]:
        """What of the lake's tables is not as the topics say, as a multiset, to the value."""
        return [line for name, table in self.tables(environment) for line in self._unlike(name, table)]

    def unlike_warm(self, warm: WarmTables) -> list[str]:
        """What of the warm tier's tables is not, row by row, to the value."""
        return [
            line for name in contracts.warm_tables() for line in verify(name, self._oracle.rows[name], warm.rows(name))
        ]

    def tables(self, environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """The lake's tables as they stand, by name."""
        fields = {name.lower(): value for name, value in environment.items()}
        known = {name: value for name, value in fields.items() if name in LakeSettings.model_fields}
        catalog = iceberg.connect(LakeSettings.load(**known))
        for name, contract in contracts.tables().items():
            yield name, catalog.load_table(iceberg.identifier(self._names, contract))

    def _places(self, name: str, since: Mapping[tuple[str, int], int]) -> list[Any]:
        places = self._oracle.rows[name]
        return [at for at in places if at[2] >= since.get((at[0].decode(), at[1]), 0)]

    def _unlike(self, name: str, table: Any) -> Iterator[str]:
        found, wanted = TableReader(contracts.tables()[name]).rows(table), self._lake[name]
        for what, rows in (("lacks", wanted - found), ("has, and no record is there,", found - wanted)):
            if rows:
                yield f"{name} {what} {rows.total()} rows: {[row[:6] for row in list(rows)[:_SHOWN]]}"
