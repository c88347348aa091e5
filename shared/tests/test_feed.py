"""The parts of a feed: reconnect delays, a frame's records, and the publisher on the real broker."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from k2_shared import kafka
from k2_shared.errors import Unavailable
from k2_shared.feed.backoff import Backoff
from k2_shared.feed.frames import FrameWriter
from k2_shared.feed.protocol import Notice, Refused, Subscribed, TradesReceived, Unreadable
from k2_shared.feed.publisher import Publisher
from k2_shared.origin import HEADER
from k2_shared.records import Outgoing
from k2_shared.settings import RunSettings
from k2_shared.telemetry import Metrics
from k2_shared.testing.records import ORIGIN, RECEIVED_NS, SCHEMA_ID, trade, value
from k2_shared.testing.topics import read, values
from k2_shared.testing.waiting import eventually
from k2_shared.topics import BRONZE, DLQ, RAW, Names, partition_for
from k2_shared.trade import wire_prefix

RAW_TOPIC, BRONZE_TOPIC = RAW.format(exchange="kraken"), BRONZE.format(exchange="kraken")
WRITER = FrameWriter("KRAKEN", "feed_kraken", wire_prefix(SCHEMA_ID))


@given(st.integers(0, 200), st.floats(0.01, 10), st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_a_delay_is_drawn_below_a_ceiling_that_doubles_to_the_cap(
    failures: int, base: float, cap: float, rng: random.Random
) -> None:
    """Full jitter: any delay from 0 to min(cap, base * 2^n), however many failures."""
    backoff = Backoff(base, cap, rng, failures)
    assert 0 <= backoff.next_delay() <= min(cap, base * 2.0 ** min(failures, 30))
    assert backoff.failures == failures + 1


def test_delays_use_the_whole_range_and_success_starts_over() -> None:
    """Clients that failed together come back apart; after a success the next ceiling is the base."""
    backoff = Backoff(1.0, 60.0, random.Random(7), failures=20)
    delays = [backoff.next_delay() for _ in range(200)]
    assert min(delays) < 3
    assert max(delays) > 57
    backoff.succeeded()
    assert backoff.next_delay() <= 1.0


def test_a_frame_of_several_trades_is_one_raw_record_and_a_record_for_each_trade() -> None:
    """The frame is kept byte for byte; every record has the receipt's time and origin and the key of its symbol."""
    trades = (trade(trade_id=1), trade(trade_id=2, symbol="ETH/USD"))
    written = WRITER.records(b"{frame}", TradesReceived(trades), ORIGIN)
    assert [(r.topic, r.key, r.value) for r in written.records] == [
        (RAW_TOPIC, b"KRAKEN:BTC/USDT", b"{frame}"),
        (BRONZE_TOPIC, b"KRAKEN:BTC/USDT", value(trades[0])),
        (BRONZE_TOPIC, b"KRAKEN:ETH/USD", value(trades[1])),
    ]
    assert {(r.timestamp, r.headers) for r in written.records} == {
        (RECEIVED_NS // 1_000_000, ((HEADER, ORIGIN.pack()),))
    }
    assert written.refused == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": Decimal("46116022156.00")}, "decimal_overflow"),
        ({"price": Decimal("0.0000000001")}, "decimal_overflow"),
        ({"trade_id": 2**63}, "trade_id_overflow"),
        ({"timestamp": 10**25}, "timestamp_overflow"),
    ],
)
def test_one_unfit_trade_goes_to_the_dlq_as_its_frame(changes: dict[str, Any], reason: str) -> None:
    """Its neighbours are published; the exact text stays in the dead letter."""
    event = TradesReceived((trade(trade_id=1), trade(**changes), trade(trade_id=3)))
    written = WRITER.records(b"{frame}", event, ORIGIN)
    assert [(r.topic, r.value) for r in written.records] == [
        (RAW_TOPIC, b"{frame}"),
        (BRONZE_TOPIC, value(trade(trade_id=1))),
        (DLQ, b"{frame}"),
        (BRONZE_TOPIC, value(trade(trade_id=3))),
    ]
    assert [error.reason for error in written.refused] == [reason]
    assert dict(written.records[2].headers)["k2-dlq-reason"] == reason.encode()
    assert dict(written.records[2].headers)["k2-dlq-topic"] == RAW_TOPIC.encode()


def test_an_unreadable_frame_is_kept_and_refused() -> None:
    """It is raw data like any other, under the venue's name, and a dead letter."""
    written = WRITER.records(b"\xff", Unreadable("not JSON"), ORIGIN)
    assert [(r.topic, r.key, r.value) for r in written.records] == [
        (RAW_TOPIC, b"KRAKEN", b"\xff"),
        (DLQ, b"KRAKEN", b"\xff"),
    ]
    assert [error.reason for error in written.refused] == ["unreadable_frame"]


@pytest.mark.parametrize("event", [Notice("heartbeat"), Subscribed(frozenset()), Refused("no")])
def test_a_frame_without_trades_is_not_written(event: Any) -> None:
    """Heartbeats would be most of the raw topic."""
    assert WRITER.records(b"{}", event, ORIGIN).records == []


def outgoing(count: int) -> list[Outgoing]:
    return [Outgoing(RAW_TOPIC, b"KRAKEN:S%d" % (n % 5), b"%d" % n, 1_700_000_000_000, ()) for n in range(count)]


@pytest.mark.usefixtures("topics")
async def test_the_publisher_writes_each_key_in_order_to_its_partition(run_settings: RunSettings, names: Names) -> None:
    """After a flush everything is acknowledged, counted and where Java would put it."""
    metrics, sent = Metrics("feed", "0"), outgoing(500)
    async with kafka.started(kafka.producer(run_settings), run_settings) as sender:
        publisher = Publisher(sender, names, metrics, max_in_flight=100)
        await publisher.publish(sent)
        await publisher.flush()
        await publisher.flush()
    found = await read(run_settings, names, RAW_TOPIC)
    for key in {record.key or b"" for record in sent}:
        of_key = [record for record in found if record.key == key]
        assert {record.partition for record in of_key} == {partition_for(key, 12)}
        assert values(of_key) == [record.value for record in sent if record.key == key]
    assert metrics.registry.get_sample_value("k2_records_sent_total", {"topic": RAW_TOPIC}) == 500


class StuckSender:
    """Kafka that acknowledges only what the test settles."""

    def __init__(self) -> None:
        self.deliveries: list[asyncio.Future[None]] = []

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        self.deliveries.append(asyncio.get_running_loop().create_future())
        return self.deliveries[-1]


async def test_the_publisher_waits_while_too_much_is_unacknowledged(names_free: Names) -> None:
    """A slow Kafka slows the socket instead of filling the memory."""
    sender = StuckSender()
    publisher = Publisher(sender, names_free, Metrics("feed", "0"), max_in_flight=2)
    await publisher.publish(outgoing(2))
    third = asyncio.create_task(publisher.publish(outgoing(1)))
    await eventually(lambda: len(sender.deliveries) == 3, "the third send")
    assert not third.done()
    sender.deliveries[0].set_result(None)
    await third
    flushing = asyncio.create_task(publisher.flush())
    for delivery in sender.deliveries[1:]:
        assert not flushing.done()
        delivery.set_result(None)
    await flushing


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_record_that_kafka_did_not_take_stops_the_feed(names_free: Names, *, cancelled: bool) -> None:
    """The failure surfaces at the next publish and at every flush: going on would leave a hole."""
    sender, metrics = StuckSender(), Metrics("feed", "0")
    publisher = Publisher(sender, names_free, metrics, max_in_flight=10)
    await publisher.publish(outgoing(1))
    if cancelled:
        sender.deliveries[0].cancel()
    else:
        sender.deliveries[0].set_exception(KafkaConnectionError("gone"))
    with pytest.raises(Unavailable, match="Kafka did not take a record"):
        await publisher.flush()
    with pytest.raises(Unavailable, match="what followed it was not published"):
        await publisher.publish(())
    name = "CancelledError" if cancelled else "KafkaConnectionError"
    labels = {"stage": "feed", "error_type": name}
    assert metrics.registry.get_sample_value("k2_errors_total", labels) == 1
    assert metrics.registry.get_sample_value("k2_records_sent_total", {"topic": RAW_TOPIC}) is None


@pytest.fixture
def names_free() -> Names:
    """Names of a run that needs no broker."""
    return Names("run.")
