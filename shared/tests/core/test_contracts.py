"""The contracts in ``schemas/`` hold together, and their examples are what they say."""

import json
from decimal import Decimal

import pytest

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract, TopicContract
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import Trade, decode, encode, wire_prefix
from k2_shared.kafka.topics import (
    BRONZE,
    COVERAGE,
    DLQ,
    EVENTS,
    EXCHANGES,
    GAPS,
    GOLD,
    RAW,
    REPLAYS,
    SILVER,
    STATE,
    SYMBOLS,
)
from k2_support.records import SCHEMAS, FakeRecord, example, fields, trade

VENUES = contracts.venues().values()
SERVICES = {*(venue.service for venue in VENUES), "silver", "gold", "iceberg_sink", "warm_sink", "k2"}
TOPICS = list(contracts.topics().values())
TRADE_TOPICS = [topic for topic in TOPICS if topic.name.startswith("market.crypto.trades.")]
TRADE_EXAMPLES = sorted({path for topic in TOPICS if topic.schema for path in topic.examples})
SORTED = {
    "raw": ("ingestion_timestamp", "kafka_offset"),
    "bronze": ("symbol", "timestamp", "source_sequence"),
    "silver": ("symbol", "timestamp", "source_sequence"),
    "gold": ("symbol", "window_start"),
}
INVALID = sorted(entry.name for entry in (contracts.ROOT / "examples/invalid").iterdir())


def test_topics_of_the_code_are_the_topics_of_the_contracts() -> None:
    """Every name that the code builds has a contract, and no contract is unused."""
    lower = [exchange.lower() for exchange in EXCHANGES]
    built = {pattern.format(exchange=exchange) for pattern in (RAW, BRONZE, SILVER) for exchange in lower}
    assert built | {GOLD, STATE, DLQ, REPLAYS, GAPS, EVENTS, SYMBOLS, COVERAGE} == set(contracts.topics())


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_topic_contract_is_whole(topic: TopicContract) -> None:
    """A contract names its writers and readers; Avro topics alone have a schema in the registry."""
    assert topic.producers
    assert topic.consumers
    assert topic.purpose
    assert set(topic.producers) <= SERVICES
    assert (topic.schema, topic.compatibility) == (
        ("trade_v3.avsc", "NONE") if topic.value_format == "avro" else (None, None)
    )
    for path in topic.examples:
        assert contracts.example(path)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_records_of_trades_alone_lead_to_their_frame(topic: TopicContract) -> None:
    """What holds trades says where each came from; checkpoints and the feeds' own records come from no frame."""
    of_trades = topic in TRADE_TOPICS and topic.cleanup_policy == "delete"
    assert ("k2-origin" in topic.headers) == of_trades


def test_every_topic_of_trades_has_the_same_partition_count() -> None:
    """A record keeps its partition number from the feed to gold."""
    assert {topic.partitions for topic in TRADE_TOPICS} == {12}


def test_topics_of_the_feeds_have_one_partition() -> None:
    """What the feeds say, and are told, is read in the order in which it was written."""
    assert {topic.partitions for topic in TOPICS if topic not in TRADE_TOPICS} == {1}


def test_a_dead_letter_takes_a_record_and_its_headers() -> None:
    """The DLQ takes whatever any other topic takes, with the reason in its headers."""
    others = max(topic.max_message_bytes for topic in TOPICS if topic.name != DLQ)
    assert contracts.topics()[DLQ].max_message_bytes >= others + 64 * 1024


def test_a_replay_is_remembered_for_as_long_as_its_letter_may_be_there() -> None:
    """For ever, the last of each letter, beside the letter's partition: no retention of the dead letters is longer."""
    letters, replays = contracts.topics()[DLQ], contracts.topics()[REPLAYS]
    assert (replays.cleanup_policy, replays.retention_ms, replays.partitions) == ("compact", -1, letters.partitions)


@pytest.mark.parametrize("table", contracts.tables().values(), ids=lambda table: table.name)
def test_a_table_of_the_sink_is_filled_from_topics_that_exist(table: contracts.TableContract) -> None:
    """Each of them has a contract."""
    assert table.topics
    assert set(table.topics) <= set(contracts.topics())


@pytest.mark.parametrize("table", contracts.iceberg_tables(), ids=lambda table: table.name)
def test_table_contract_refers_to_what_is_there(table: contracts.IcebergContract) -> None:
    """A table is laid out by columns that it has."""
    columns = {column.name for column in table.columns}
    assert {field.column for field in table.partition_by} | set(table.sort_by) <= columns
    assert len(columns) == len(table.columns)
    assert all(column.comment for column in table.columns)
    assert table.purpose


def test_the_sinks_tables_and_the_cold_ones_are_apart() -> None:
    """Who fills tables from topics has none to do with the cold ones; no two have a name."""
    assert not contracts.tables().keys() & contracts.cold_tables().keys()
    kinds = {"market_data": contracts.tables(), "cold": contracts.cold_tables(), "audit": contracts.audit_tables()}
    assert [table.name for table in contracts.iceberg_tables()] == [name for kind in kinds.values() for name in kind]
    for namespace, kind in kinds.items():
        assert {table.namespace for table in kind.values()} == {namespace}


def test_there_are_nine_cold_tables() -> None:
    """Raw, bronze, silver, and candles of six timeframes."""
    candles = {f"gold_ohlcv_{timeframe.name}" for timeframe in TIMEFRAMES}
    assert contracts.cold_tables().keys() == {"raw_trades", "bronze_trades", "silver_trades"} | candles
    for name in candles:
        table = contracts.cold_tables()[name]
        assert (table.relation, table.purpose.split()[2]) == (name, name.removeprefix("gold_ohlcv_"))


def tier(table: ColdTableContract) -> str:
    """Raw, bronze, silver or gold."""
    return table.name.partition("_")[0]


@pytest.mark.parametrize("table", contracts.cold_tables().values(), ids=lambda table: table.name)
def test_a_cold_table_is_offloaded_by_the_hours_that_it_is_partitioned_by(table: ColdTableContract) -> None:
    """By hours, or what is made of whole hours, so that an hour is rewritten in one partition of each venue."""
    time, venue = table.partition_by
    assert (time.column, venue.column, venue.transform) == (table.hour_by, "exchange", "identity")
    assert time.transform == {"raw": "hour", "bronze": "day", "silver": "day", "gold": "month"}[tier(table)]
    assert table.sort_by == SORTED[tier(table)]
    assert {column.name: column.type for column in table.columns}[table.hour_by] == "timestamptz"
    assert table.warm_retention_hours >= 48
    assert table.properties["history.expire.max-snapshot-age-ms"] == str(7 * 86_400_000)
    assert table.properties["write.parquet.compression-codec"] == "zstd"


def test_trade_tables_begin_with_the_schemas_fields() -> None:
    """Silver has 13 columns and gold 14: the schema's twelve, then what is derived."""
    schema = [field["name"] for field in contracts.trade_schema()["fields"]]
    silver = {f"silver_{venue.name}_trades": 1 for venue in VENUES}
    for name, derived in {**silver, "gold_crypto_trades": 2}.items():
        columns = [column.name for column in contracts.tables()[name].columns]
        assert columns[:12] == schema
        assert len(columns) == 12 + derived
    gold = {column.name: column.type for column in contracts.tables()["gold_crypto_trades"].columns}
    assert gold["price"] == "decimal(18, 8)"


def test_a_contract_of_each_venue_and_one_of_all_name_them() -> None:
    """A file with {venue} in its name is one contract for each venue; a list of another one has an item for each."""
    kraken, binance = contracts.venues()["KRAKEN"], contracts.venues()["BINANCE"]
    assert (kraken.service, kraken.born_us, binance.born_us) == (
        "feed_kraken",
        1_311_811_200_000_000,
        1_499_990_400_000_000,
    )
    of_kraken = contracts.topics()[BRONZE.format(exchange="kraken")]
    assert (of_kraken.producers, of_kraken.examples) == (("feed_kraken",), ("valid/kraken_trade.json",))
    assert of_kraken.purpose.startswith("Every trade of Kraken in V3")
    assert of_kraken.key.startswith("EXCHANGE:SYMBOL in UTF-8, e.g. KRAKEN:BTC/USDT")
    assert contracts.topics()[DLQ].producers == ("feed_binance", "feed_kraken", "silver", "gold")
    assert contracts.tables()["bronze_crypto_trades"].topics == (
        BRONZE.format(exchange="binance"),
        BRONZE.format(exchange="kraken"),
    )
    assert not [topic for topic in TOPICS if "{" in str(topic)]


def test_a_schema_is_registered_for_its_readers_first() -> None:
    """Gold's subject has an id before silver's, and silver's before a feed can write it to bronze."""
    stages = {GOLD: 0, **{SILVER.format(exchange=v.name): 1 for v in VENUES}}
    order = [stages.get(topic.name, 2) for topic in TOPICS if topic.schema]
    assert order == sorted(order)


def test_a_type_without_a_column_type_is_named() -> None:
    """A schema change that no table can hold fails at once."""
    with pytest.raises(TypeError, match="'items': 'long'"):
        contracts.column_type({"type": "array", "items": "long"})


def test_schema_text_is_one_text() -> None:
    """The registry gets compact JSON with sorted keys, equal to the file."""
    text = contracts.schema_text("trade_v3.avsc")
    assert json.loads(text) == contracts.trade_schema()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _trade(found: dict[str, object]) -> Trade:
    names = ("exchange", "symbol", "timestamp", "price", "quantity", "side", "vendor_data")
    return trade(trade_id=int(str(found["trade_id"])), **{name: found[name] for name in names})


@pytest.mark.parametrize("path", TRADE_EXAMPLES)
def test_valid_example_survives_its_encoding(path: str) -> None:
    """An example's fields are what a feed encodes and what is decoded."""
    record, said = example(path), contracts.example(path)["value"]
    found = decode(record.value, SCHEMAS)
    assert {**found, "price": str(found["price"]), "quantity": str(found["quantity"])} == said
    of = _trade(found)
    assert encode(of, found["ingestion_timestamp"], wire_prefix(7)) == record.value
    assert of.key == record.key


@pytest.mark.parametrize("path", INVALID)
def test_invalid_example_breaks_a_rule_and_not_the_schema(path: str) -> None:
    """An example of a broken rule can be read; only the size of a number is refused while encoding."""
    record: FakeRecord = example(f"invalid/{path}")
    found = decode(record.value, SCHEMAS)
    assert found.keys() == fields(trade()).keys()
    if path == "decimal_overflow.json":
        with pytest.raises(InvalidRecord) as refused:
            encode(_trade({**found, "quantity": Decimal("46000000000.00000000")}), 0, wire_prefix(7))
        assert refused.value.reason == "decimal_overflow"
