"""The publisher: a frame's records, on the real broker and on one that acknowledges what the test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import HEADER
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import wire_prefix
from k2_shared.feed.publish.backlog import Backlog, Congested, PublisherLimits
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, DLQ, RAW, Names, partition_for
from k2_support.records import ORIGIN, RECEIVED_NS, SCHEMA_ID, trade, value
from k2_support.topics import read, values
from k2_support.waiting import eventually

RAW_TOPIC, BRONZE_TOPIC = RAW.format(exchange="kraken"), BRONZE.format(exchange="kraken")
pytestmark = pytest.mark.topics(RAW_TOPIC, BRONZE_TOPIC, DLQ)
WRITER = FrameWriter("KRAKEN", "feed_kraken", wire_prefix(SCHEMA_ID))
KEY = b"KRAKEN:BTC/USDT"
OTHER_KEY = b"KRAKEN:S1"  # of another partition than S0


@dataclass(frozen=True)
class Sent:
    """What was given to Kafka in one batch, and its delivery, that the test settles."""

    partition: int
    builder: BatchBuilder
    delivery: "asyncio.Future[Any]"

    def acknowledge(self, offset: int) -> None:
        """Say that it was written from an offset on."""
        self.delivery.set_result(Written(offset))


@dataclass(frozen=True)
class Written:
    """What Kafka says of a batch."""

    offset: int


@dataclass
class HeldBroker:
    """A producer whose broker answers when the test wants."""

    batch_bytes: int = 100_000
    sent: list[Sent] = field(default_factory=list)
    refuses: Exception | None = None

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self.batch_bytes, 0)

    async def send_batch(self, builder: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self.refuses:
            raise self.refuses
        self.sent.append(Sent(partition, builder, asyncio.get_running_loop().create_future()))
        return self.sent[-1].delivery

    async def batches(self, count: int) -> list[Sent]:
        """Wait until so many batches were sent."""
        await eventually(lambda: len(self.sent) >= count, f"{count} batches")
        return self.sent


@asynccontextmanager
async def publishing(
    sender: Any, names: Names, limits: PublisherLimits | None = None, metrics: Metrics | None = None
) -> AsyncIterator[Publisher]:
    """A publisher that runs."""
    publisher = Publisher(sender, names, metrics or Metrics("feed", "0"), Backlog(limits or PublisherLimits()), WRITER)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        await asyncio.wait([running])


def outgoing(count: int, symbols: int = 5, first: int = 0) -> list[Outgoing]:
    keys = range(first, first + count)
    return [Outgoing(RAW_TOPIC, b"KRAKEN:S%d" % (n % symbols), b"%d" % n, 1_700_000_000_000, ()) for n in keys]


def put_all(publisher: Publisher, records: list[Outgoing]) -> None:
    for record in records:
        publisher.put(record)


@pytest.fixture
def unbound() -> Names:
    """Names of a run that needs no broker."""
    return Names("run.")


def said(found: Any) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in found]


@pytest.mark.usefixtures("topics")
async def test_a_frame_is_a_raw_record_and_a_record_for_each_trade(run_settings: RunSettings, names: Names) -> None:
    """The frame is kept byte for byte; every record has the receipt's time and origin and the key of its symbol."""
    trades = (trade(trade_id=1), trade(trade_id=2, symbol="ETH/USD"))
    async with (
        clients.started(clients.producer(run_settings), run_settings) as sender,
        publishing(sender, names) as publisher,
    ):
        assert publisher.frame(b"{frame}", trades, ORIGIN) == []
        await publisher.flush()
    raw, bronze = await read(run_settings, names, RAW_TOPIC), await read(run_settings, names, BRONZE_TOPIC)
    assert said(raw) == [(KEY, b"{frame}")]
    assert sorted(said(bronze)) == [(KEY, value(trades[0])), (b"KRAKEN:ETH/USD", value(trades[1]))]
    assert {(record.timestamp, record.headers) for record in [*raw, *bronze]} == {
        (RECEIVED_NS // 1_000_000, ((HEADER, ORIGIN.pack()),))
    }


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": Decimal("46116022156.00")}, "decimal_overflow"),
        ({"price": Decimal("0.0000000001")}, "decimal_overflow"),
        ({"trade_id": 2**63}, "trade_id_overflow"),
        ({"timestamp": 10**25}, "timestamp_overflow"),
    ],
)
async def test_one_unfit_trade_goes_to_the_dlq_as_its_frame(
    run_settings: RunSettings, names: Names, changes: Mapping[str, Any], reason: str
) -> None:
    """Its neighbours are published; the exact text stays in the dead letter."""
    trades = (trade(trade_id=1), trade(**changes), trade(trade_id=3))
    async with (
        clients.started(clients.producer(run_settings), run_settings) as sender,
        publishing(sender, names) as publisher,
    ):
        refused = publisher.frame(b"{frame}", trades, ORIGIN)
        await publisher.flush()
    assert [error.reason for error in refused] == [reason]
    assert values(await read(run_settings, names, RAW_TOPIC)) == [b"{frame}"]
    assert values(await read(run_settings, names, BRONZE_TOPIC)) == [value(trades[0]), value(trades[2])]
    (letter,) = await read(run_settings, names, DLQ)
    assert (letter.key, letter.value) == (KEY, b"{frame}")
    assert dict(letter.headers)["k2-dlq-reason"] == reason.encode()
    assert dict(letter.headers)["k2-dlq-topic"] == RAW_TOPIC.encode()


@pytest.mark.usefixtures("topics")
async def test_a_quarantined_frame_is_kept_and_refused(run_settings: RunSettings, names: Names) -> None:
    """It is raw data like any other, and a dead letter."""
    async with (
        clients.started(clients.producer(run_settings), run_settings) as sender,
        publishing(sender, names) as publisher,
    ):
        publisher.quarantine(b"\xff", b"KRAKEN", InvalidRecord("unreadable_frame", "not JSON"), ORIGIN)
        await publisher.flush()
    assert said(await read(run_settings, names, RAW_TOPIC)) == [(b"KRAKEN", b"\xff")]
    assert said(await read(run_settings, names, DLQ)) == [(b"KRAKEN", b"\xff")]


@pytest.mark.usefixtures("topics")
async def test_each_key_is_written_in_order_to_its_partition(run_settings: RunSettings, names: Names) -> None:
    """After a flush everything is acknowledged, counted, known by its offset, and where Java would put it."""
    metrics, sent = Metrics("feed", "0"), outgoing(500)
    async with (
        clients.started(clients.producer(run_settings), run_settings) as sender,
        publishing(sender, names, metrics=metrics) as publisher,
    ):
        for record in sent:
            publisher.put(record)
            if record.value and int(record.value) % 50 == 0:
                await eventually(lambda: not publisher.backlog.records, "the acknowledgements")
        await publisher.flush()
        await publisher.flush()
        assert (publisher.backlog.records, publisher.written) == (0, 500)
    found = await read(run_settings, names, RAW_TOPIC)
    ends: dict[tuple[str, int], int] = {}
    for key in {record.key or b"" for record in sent}:
        of_key = [record for record in found if record.key == key]
        assert {record.partition for record in of_key} == {partition_for(key, 12)}
        assert values(of_key) == [record.value for record in sent if record.key == key]
    for record in found:
        ends[RAW_TOPIC, record.partition] = max(record.offset + 1, ends.get((RAW_TOPIC, record.partition), 0))
    assert publisher.acknowledged == ends
    assert metrics.registry.get_sample_value("k2_records_sent_total", {"topic": RAW_TOPIC}) == 500


@pytest.mark.usefixtures("topics")
async def test_records_larger_than_a_batch_are_written(run_settings: RunSettings, names: Names) -> None:
    """Frames of nearly a megabyte fit their topic; each goes alone."""
    frames = [bytes([n]) * 900_000 for n in range(3)]
    async with (
        clients.started(clients.producer(run_settings), run_settings) as sender,
        publishing(sender, names) as publisher,
    ):
        for raw in frames:
            publisher.frame(raw, [trade()], ORIGIN)
        await publisher.flush()
    assert values(await read(run_settings, names, RAW_TOPIC)) == frames


async def test_a_partition_has_one_batch_on_its_way(unbound: Names) -> None:
    """What comes meanwhile gathers behind it, so that no retry can change the order."""
    broker = HeldBroker()
    async with publishing(broker, unbound) as publisher:
        put_all(publisher, outgoing(10, symbols=1))
        (first,) = await broker.batches(1)
        put_all(publisher, outgoing(10, symbols=1))
        put_all(publisher, outgoing(1, symbols=1))
        publisher.put(Outgoing(RAW_TOPIC, OTHER_KEY, b"later", 1_700_000_000_000, ()))
        _, other = await broker.batches(2)
        assert (len(broker.sent), other.partition) == (2, partition_for(OTHER_KEY, 12))
        assert other.partition != first.partition
        first.acknowledge(100)
        second = (await broker.batches(3))[2]
        assert [batch.builder.record_count() for batch in broker.sent] == [10, 1, 11]
        assert (publisher.backlog.records, publisher.written) == (12, 22)
        second.acknowledge(110)
        other.acknowledge(0)
        await publisher.flush()
        assert publisher.acknowledged == {(RAW_TOPIC, first.partition): 121, (RAW_TOPIC, other.partition): 1}


async def test_a_full_batch_is_followed_by_another(unbound: Names) -> None:
    """No record is left out where one batch ends and the next begins."""
    broker = HeldBroker(batch_bytes=500)
    async with publishing(broker, unbound) as publisher:
        put_all(publisher, outgoing(100, symbols=1))
        flushing, acknowledged = asyncio.create_task(publisher.flush()), list[Sent]()

        def is_flushed() -> bool:
            for batch in broker.sent[len(acknowledged) :]:
                batch.acknowledge(0)
                acknowledged.append(batch)
            return flushing.done()

        await eventually(is_flushed, "the flush")
        await flushing
        assert len(broker.sent) > 2
        assert sum(batch.builder.record_count() for batch in broker.sent) == 100


@pytest.mark.parametrize("limits", [PublisherLimits(records=2), PublisherLimits(bytes=2)], ids=["records", "bytes"])
async def test_there_is_no_capacity_while_too_much_is_unacknowledged(unbound: Names, limits: PublisherLimits) -> None:
    """A slow Kafka slows the socket instead of filling the memory."""
    broker = HeldBroker()
    async with publishing(broker, unbound, limits) as publisher:
        await publisher.backlog.wait_for_capacity()
        put_all(publisher, outgoing(2))
        waiting = asyncio.create_task(publisher.backlog.wait_for_capacity())
        sent = await broker.batches(2)
        assert not waiting.done()
        sent[0].acknowledge(0)
        await waiting


async def test_no_capacity_for_too_long_is_congestion(unbound: Names) -> None:
    """It says how much waits; when Kafka takes it, there is room again, and nothing was lost."""
    broker = HeldBroker()
    async with publishing(broker, unbound, PublisherLimits(records=1, stall_s=0.05)) as publisher:
        put_all(publisher, outgoing(1))
        with pytest.raises(Congested, match=r"1 records of 1 bytes are unacknowledged, allowed are 1 and"):
            await publisher.backlog.wait_for_capacity()
        (sent,) = await broker.batches(1)
        sent.acknowledge(0)
        await publisher.backlog.wait_for_capacity()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_record_that_kafka_did_not_take_stops_the_publisher(unbound: Names, *, cancelled: bool) -> None:
    """The failure surfaces in whoever waits and in every later call: going on would leave a hole."""
    broker, metrics = HeldBroker(), Metrics("feed", "0")
    async with publishing(broker, unbound, metrics=metrics) as publisher:
        put_all(publisher, outgoing(1))
        flushing = asyncio.create_task(publisher.flush())
        (sent,) = await broker.batches(1)
        if cancelled:
            sent.delivery.cancel()
        else:
            sent.delivery.set_exception(KafkaConnectionError("gone"))
        with pytest.raises(Unavailable, match="Kafka did not take a record"):
            await flushing
        with pytest.raises(Unavailable, match="what followed it was not published"):
            publisher.put(outgoing(1)[0])
        with pytest.raises(Unavailable):
            publisher.frame(b"{}", [trade()], ORIGIN)
        with pytest.raises(Unavailable):
            await publisher.backlog.wait_for_capacity()
        assert publisher.backlog.failed
    labels = {"stage": "feed", "error_type": "CancelledError" if cancelled else "KafkaConnectionError"}
    assert metrics.registry.get_sample_value("k2_errors_total", labels) == 1
    assert metrics.registry.get_sample_value("k2_records_sent_total", {"topic": RAW_TOPIC}) is None


async def test_a_batch_that_cannot_be_handed_over_stops_the_publisher(unbound: Names) -> None:
    """The client gives up before the broker is asked: no leader, no metadata."""
    broker = HeldBroker(refuses=KafkaTimeoutError())
    async with publishing(broker, unbound) as publisher:
        put_all(publisher, outgoing(1))
        with pytest.raises(Unavailable, match="KafkaTimeoutError"):
            await publisher.flush()


async def test_an_acknowledgement_without_an_offset_is_a_failure(unbound: Names) -> None:
    """Where it was written decides from where the feed goes on; it does not guess."""
    broker = HeldBroker()
    async with publishing(broker, unbound) as publisher:
        put_all(publisher, outgoing(1))
        (sent,) = await broker.batches(1)
        sent.acknowledge(-1)
        with pytest.raises(Unavailable, match="at which offset"):
            await publisher.flush()


async def test_who_waits_is_told_when_the_publisher_stops(unbound: Names) -> None:
    """Nobody waits for ever for what nobody sends."""
    broker = HeldBroker()
    async with publishing(broker, unbound) as publisher:
        put_all(publisher, outgoing(1))
        flushing = asyncio.create_task(publisher.flush())
        await broker.batches(1)
    with pytest.raises(Unavailable, match="the publisher was stopped"):
        await flushing


async def test_the_oldest_acknowledgement_that_is_owed_has_its_age(unbound: Names) -> None:
    """One partition that stands still is not hidden by others that go on; nothing is owed where nothing was sent."""
    broker = HeldBroker()
    async with publishing(broker, unbound) as publisher:
        assert publisher.unacknowledged_s == 0
        put_all(publisher, outgoing(2, symbols=2))
        first, second = await broker.batches(2)
        second.acknowledge(0)
        await eventually(lambda: publisher.backlog.records == 1, "an acknowledgement")
        began = publisher.unacknowledged_s
        await eventually(lambda: publisher.unacknowledged_s > began > 0, "time to pass")
        first.acknowledge(0)
        await publisher.flush()
        assert publisher.unacknowledged_s == 0
