"""``k2 lineage``: one trade from its frame to its row."""

import asyncio
import json
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from k2.lineage.markers import BatchHeader, batches, committed_ms
from k2.lineage.path import Hop, Lineage, MessageId
from k2.main import app
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError, InvalidRecord
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, RAW, SILVER, Names, administration, partition_for
from k2_shared.lake import iceberg
from k2_support.ports import free_port
from k2_support.records import FakeRecord, trade, value
from k2_support.topics import write

pytestmark = pytest.mark.topics(*(topic.format(exchange="kraken") for topic in (RAW, BRONZE, SILVER)), GOLD, DLQ)
OF = trade()
HOME = partition_for(OF.key, 12)
NOW_NS = time.time_ns()
FIRST, SECOND = Origin(NOW_NS, 7, 1), Origin(NOW_NS + 5_000_000, 8, 1)


def test_a_message_id_is_read_whole() -> None:
    """The symbol may hold what the separators are made of only where it can."""
    assert MessageId.parse("KRAKEN:BTC/USD:12") == MessageId("KRAKEN", "BTC/USD", 12)
    assert str(MessageId.parse(OF.message_id)) == OF.message_id
    assert MessageId.parse(OF.message_id).key == OF.key


@pytest.mark.parametrize(
    "text", ["", "KRAKEN", "KRAKEN:BTC/USD", "KRAKEN:BTC/USD:x", "NOBODY:BTC/USD:1", "KRAKEN::1", f"KRAKEN:A/B:{2**63}"]
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    """The line shows one."""
    with pytest.raises(ConfigError, match="KRAKEN:BTC/USD:123"):
        MessageId.parse(text)


@pytest.mark.parametrize(
    ("stages", "says", "settled"),
    [
        ([], "nothing of it stands in Kafka", False),
        (["bronze", "silver"], "it is on its way", False),
        (["bronze", "dlq"], "it was refused", False),
        (["bronze", "silver", "gold"], "it is in gold once", True),
        (
            ["bronze", "silver", "gold", "bronze", "silver"],
            "it is in gold once, and 1 repeat of it was dropped",
            True,
        ),
        (["bronze", "silver", "gold"] + ["bronze", "silver"] * 2, "it is in gold once, and 2 repeats of it were", True),
        (
            ["bronze", "silver", "gold", "bronze", "dlq"],
            "it is in gold once, and 1 delivery of it was refused",
            True,
        ),
        (["bronze", "silver", "gold"] + ["bronze", "dlq"] * 2, "it is in gold once, and 2 deliveries of it were", True),
        (["bronze", "silver", "gold", "gold"], "it stands 2 times in gold: that is a defect", False),
    ],
)
def test_the_verdict_says_what_became_of_it(stages: Sequence[str], says: str, settled: bool) -> None:
    """Gold has each trade once, or something is said."""
    found = Lineage(MessageId.parse(OF.message_id), None, None, [Hop(stage, "t[0]@1") for stage in stages])
    assert found.verdict.startswith(says)
    assert found.is_settled is settled


def test_what_gold_refused_was_not_dropped() -> None:
    """A trade told two ways passes silver twice; one of the two is a dead letter of gold's, and no repeat."""
    letter = Hop("dlq", "t[0]@1", said={"letter": {"k2-dlq-stage": "gold"}})
    stages = [Hop(stage, "t[0]@1") for stage in ("bronze", "bronze", "silver", "silver", "gold")]
    found = Lineage(MessageId.parse(OF.message_id), None, None, [*stages, letter])
    assert found.verdict == "it is in gold once, and 1 delivery of it was refused"


def header(first: int, last: int, attributes: int, producer: int, time_ms: int) -> bytes:
    """A batch of Kafka's format 2 with 7 bytes of records."""
    fields = (first, 49 + 7, 0, 2, 0, attributes, last - first, time_ms - 1, time_ms, producer, 0, 0, last - first + 1)
    return struct.pack(">qiibIhiqqqhii", *fields) + bytes(7)


def test_batch_headers_are_read_up_to_one_that_is_cut() -> None:
    """Facts from KIP-98: bit 4 says that a batch is of a transaction, bit 5 that it ends one."""
    data = header(5, 9, 0x10, 3, 40) + header(10, 10, 0x30, 3, 50)
    expected = [BatchHeader(5, 9, 3, 40, True, False), BatchHeader(10, 10, 3, 50, True, True)]
    assert list(batches(data)) == expected
    assert list(batches(data + header(11, 11, 0, -1, 60)[:30])) == expected
    assert list(batches(b"")) == []


async def commit(settings: RunSettings, names: Names, *records: Outgoing, aborts: bool = False) -> None:
    """Write records to the home partition in one transaction, which may be aborted."""
    sender = clients.producer(settings, transactional_id=f"{names.prefix}lineage")
    async with clients.started(sender, settings):
        await sender.begin_transaction()
        for record in records:
            await send_all(sender, names, HOME, {record.topic: [record]})
        await (sender.abort_transaction() if aborts else sender.commit_transaction())


def rows_of(names: Names, table: str) -> None:
    """A row of the trade in a table."""
    settings = LakeSettings.load()
    catalog = iceberg.connect(settings)
    made = iceberg.create(catalog, names, contracts.tables()[table])
    traded = datetime.fromtimestamp(OF.timestamp / 1e6, UTC)
    fields = {
        "message_id": OF.message_id,
        "exchange_date": traded.date(),
        "exchange_hour": traded.hour,
    }
    schema = made.schema().as_arrow()
    columns = {name: [fields.get(name)] for name in schema.names}
    columns |= {
        field.name: [_some(field.type)] for field in schema if columns[field.name] == [None] and not field.nullable
    }
    made.append(pa.table(columns, schema=schema))


def _some(kind: pa.DataType) -> object:
    """Any value of a type."""
    return pa.scalar(0, pa.int64()).cast(kind).as_py() if not pa.types.is_string(kind) else ""


@pytest.fixture
def written(topics: dict[str, int], names: Names) -> list[Outgoing]:
    """The trade as a feed and the agents write it: received twice, and once refused."""
    schema_id = topics[names.subject(names.topic(GOLD))]

    def of(topic: str, origin: Origin) -> Outgoing:
        said = ((HEADER, origin.pack()),)
        return Outgoing(topic, OF.key, value(OF, schema_id), origin.received_ns // 1_000_000, said)

    bronze, silver = BRONZE.format(exchange="kraken"), SILVER.format(exchange="kraken")
    return [of(topic, origin) for topic in (bronze, silver) for origin in (FIRST, SECOND)] + [of(GOLD, FIRST)]


@pytest.fixture
def shown(run_settings: RunSettings):  # type: ignore[no-untyped-def]
    """Run the command on this test's prefix."""

    async def run(*arguments: str, code: int = 0, **environment: str) -> tuple[str, str]:
        given = {"K2_PREFIX": run_settings.k2_prefix, **environment}
        result = await asyncio.to_thread(CliRunner().invoke, app, ["lineage", *arguments], env=given)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.stdout, result.stderr

    return run


async def test_a_trade_is_followed_from_its_frames_to_its_rows(  # type: ignore[no-untyped-def]
    written: list[Outgoing], run_settings: RunSettings, names: Names, shown
) -> None:
    """Every receipt of it, when each stage could be read, the refusal, the rows; what was aborted is not there."""
    raw = RAW.format(exchange="kraken")
    frames = [
        Outgoing(raw, OF.key, b"{}", each.received_ns // 1_000_000, ((HEADER, each.pack()),))
        for each in (FIRST, SECOND)
    ]
    await write(run_settings, names, [*frames, *written[:2]], HOME)
    await commit(run_settings, names, written[4], aborts=True)
    refused = FakeRecord(OF.key, written[0].value, names.topic(written[0].topic), offset=9, headers=written[1].headers)
    letter = Refuser("silver", "silver").refuse(refused, InvalidRecord("price_not_positive", "price 0"))
    before_us = time.time_ns() // 1_000
    await commit(run_settings, names, *written[2:], letter)
    await asyncio.to_thread(rows_of, names, "gold_crypto_trades")
    await asyncio.to_thread(rows_of, names, "silver_kraken_trades")
    text, _ = await shown(OF.message_id, "--json")
    found, after_us = json.loads(text), time.time_ns() // 1_000
    assert [hop["stage"] for hop in found["hops"]] == [
        "raw",
        "raw",
        "bronze",
        "bronze",
        "dlq",
        "silver",
        "silver",
        "gold",
        "table",
        "table",
    ]
    told = "it is in gold once, and 1 repeat of it was dropped, and 1 delivery of it was refused"
    assert found["verdict"] == told
    hops = {hop["stage"]: hop for hop in found["hops"]}
    assert hops["raw"]["origin"]["connection"] == 8
    assert hops["gold"]["origin"]["connection"] == 7
    for stage in ("silver", "gold", "dlq"):
        assert before_us - 1_000 <= hops[stage]["at_us"] <= after_us + 1_000
        assert hops[stage]["age_s"] == pytest.approx((hops[stage]["at_us"] * 1_000 - NOW_NS) / 1e9, abs=1e-3)
    assert hops["bronze"]["at_us"] is None
    assert hops["dlq"]["letter"]["k2-dlq-reason"] == "price_not_positive"
    assert {hop["where"] for hop in found["hops"] if hop["stage"] == "table"} == {
        "gold_crypto_trades",
        "silver_kraken_trades",
    }
    assert found["unknown"] == []
    first, traded, *lines = (await shown(OF.message_id))[0].splitlines()
    assert first == f"{OF.message_id}: {told}"
    assert f"BUY {OF.quantity} at 105433.60000000" in traded
    assert any(line.startswith(f"  gold    {names.topic(GOLD)}[{HOME}]@") for line in lines)


@pytest.mark.usefixtures("topics")
async def test_what_is_nowhere_is_said(shown) -> None:  # type: ignore[no-untyped-def]
    """Exit code 1; a catalog that does not answer is told, and the rest shown all the same."""
    text, _ = await shown("KRAKEN:BTC/USDT:1", "--json", code=1)
    assert json.loads(text)["hops"] == []


async def test_without_tables_the_command_that_creates_them_is_named(  # type: ignore[no-untyped-def]
    written: list[Outgoing], run_settings: RunSettings, names: Names, shown
) -> None:
    """The topics are shown all the same."""
    await write(run_settings, names, written[:1], HOME)
    _, said = await shown(OF.message_id, code=1)
    assert said.startswith("a table does not exist, 'k2 init' creates it: ")


async def test_a_catalog_that_is_away_hides_no_record(  # type: ignore[no-untyped-def]
    written: list[Outgoing], run_settings: RunSettings, names: Names, shown
) -> None:
    """The topics are shown, and one line says that the tables could not be asked."""
    await write(run_settings, names, written, HOME)
    away = {"ICEBERG_CATALOG_URI": f"http://127.0.0.1:{free_port()}"}
    text, said = await shown(OF.message_id, **away)
    assert "it is in gold once" in text
    assert said.startswith("the tables could not be asked: ")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("topics")
async def test_a_record_of_no_transaction_has_no_marker(run_settings: RunSettings, names: Names) -> None:
    """Nothing says when it could be read first."""
    await write(run_settings, names, [Outgoing(GOLD, OF.key, b"v", 1, ())], HOME)
    async with administration(run_settings) as admin:
        assert await committed_ms(admin, 1, names.partitions(GOLD)[HOME], 0) is None
        assert await committed_ms(admin, 1, names.partitions(GOLD)[HOME], 1) is None
