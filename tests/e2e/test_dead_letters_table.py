"""What silver refuses can be queried in the lake, beside what it lets through."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import BRONZE, Names
from k2_shared.lake import iceberg
from k2_support.lake_tables import lake_tables
from k2_support.plugin import Agents
from k2_support.records import ORIGIN, encoded, fields, trade
from k2_support.topics import read, write
from k2_support.waiting import eventually

TOPIC = BRONZE.format(exchange="kraken")
WRONG_PRICE, WRONG_TIME, NO_FIELD = 5, 3, 2
VALID = 100


@dataclass(frozen=True)
class Lake:
    """The tables of this test's prefix."""

    names: Names
    catalog: Any

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = self.catalog.load_table((iceberg.namespace(self.names), table)).scan().to_arrow()
        return list(found.to_pylist())


@pytest.fixture
def lake(names: Names) -> Any:
    with lake_tables(names) as catalog:
        yield Lake(names, catalog)


def delivered(schema_id: int) -> list[Outgoing]:
    """A hundred valid trades with ten broken ones among them; of two the record ends before its last fields."""
    made = [encoded(fields(trade(trade_id=n)), schema_id) for n in range(1, VALID + 1)]
    broken = [{"price": Decimal(-n)} for n in range(WRONG_PRICE)] + [{"timestamp": n} for n in range(WRONG_TIME)]
    wrong = [encoded({**fields(trade(trade_id=900 + n)), **each}, schema_id) for n, each in enumerate(broken)]
    wrong += [value[:40] for value in made[:NO_FIELD]]
    for number, value in enumerate(wrong):
        made.insert(number * 10, value)
    return [Outgoing(TOPIC, trade().key, value, 1, (("k2-origin", ORIGIN.pack()),)) for value in made]


async def test_a_hundred_valid_and_ten_invalid_trades_are_a_hundred_and_ten(
    topics: dict[str, int], lake: Lake, names: Names, run_settings: RunSettings, agents: Agents
) -> None:
    """Each refusal has its reason, the record whole, and the place where bronze has it."""
    schema_id = topics[names.subject(names.topic(TOPIC))]
    running = [agents.start("silver"), agents.start("iceberg_sink", SINK_INTERVAL_S="0.2")]
    for child in running:
        child.wait_ready(90)
    await write(run_settings, names, delivered(schema_id))

    def there() -> bool:
        return len(lake.rows("silver_kraken_trades")) >= VALID and len(lake.rows("silver_dlq_trades")) >= 10

    await eventually(there, "every row", 90)
    assert [child.stop() for child in running] == [0, 0]
    refused = lake.rows("silver_dlq_trades")
    assert Counter(row["reason"] for row in refused) == {
        "price_not_positive": WRONG_PRICE,
        "timestamp_too_old": WRONG_TIME,
        "undecodable": NO_FIELD,
    }
    assert sorted(int(row["trade_id"]) for row in lake.rows("silver_kraken_trades")) == list(range(1, VALID + 1))
    bronze = {
        (row["topic"], row["partition"], row["offset"]): row["avro_payload"]
        for row in lake.rows("bronze_crypto_trades")
    }
    places = [(row["source_topic"], row["source_partition"], row["source_offset"]) for row in refused]
    assert [bronze[place] for place in places] == [row["value"] for row in refused]
    sent = {
        record.value: dict(record.headers) for record in await read(run_settings, names, "market.crypto.trades.dlq")
    }
    for row in refused:
        assert {each["name"]: each["value"] for each in row["headers"]} == sent[row["value"]]
        assert row["refused_date"] == row["refused_at"].date()
