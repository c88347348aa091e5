"""Pairs whose names are not of the kind that one expects: one trade each, from the venue's frame to gold."""

import json
from dataclasses import dataclass

import pytest
from jsonschema import Draft202012Validator
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.feeds.accounts import Passage

from feed_binance.protocol import BinanceProtocol
from feed_kraken.protocol import KrakenProtocol
from k2.feed.exchange_symbol import ExchangeSymbol, SymbolFilter
from k2_shared.core import contracts
from k2_shared.core.columns import decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.metrics import Metrics
from k2_shared.core.trade import Exchange, Trade, decode, message_id, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.counts import FeedCounts
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, SymbolRecord
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.venue.protocol import Subscribed, TradesReceived, VenueProtocol
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import partition_for
from k2_support.records import RECEIVED_NS, SCHEMA_ID, SCHEMAS, FakeRecord

PARTITIONS = 12


@dataclass(frozen=True)
class Case:
    """A venue's frame, and the trade that it carries."""

    exchange: Exchange
    symbol: str
    trade_id: int
    frame: str

    @property
    def protocol(self) -> VenueProtocol:
        """A connection's protocol that knows the pair."""
        return KrakenProtocol() if self.exchange == "KRAKEN" else BinanceProtocol({self.symbol: "币安人生USDT"})

    @property
    def trade(self) -> Trade:
        """The frame, read."""
        event = self.protocol.receive(self.frame.encode())
        assert isinstance(event, TradesReceived)
        (trade,) = event.trades
        return trade

    @property
    def record(self) -> FakeRecord:
        """The trade as the feed publishes it."""
        trade, writer = self.trade, FrameWriter(self.exchange, "feed", wire_prefix(SCHEMA_ID))
        return FakeRecord(trade.key, writer.encoder(self.symbol)(trade, RECEIVED_NS // 1_000), writer.bronze_topic)


CASES = [
    Case(
        "BINANCE",
        "币安人生/USDT",
        101,
        '{"stream":"币安人生usdt@trade","data":{"e":"trade","E":1761000000001,"s":"币安人生USDT","t":101,'
        '"p":"0.12340","q":"500.0","T":1761000000000,"m":false,"M":true}}',
    ),
    Case(
        "KRAKEN",
        "AAPLx/USD",
        7,
        '{"channel":"trade","type":"update","data":[{"symbol":"AAPLx/USD","side":"buy","price":254.32,"qty":0.25,'
        '"ord_type":"market","trade_id":7,"timestamp":"2025-10-08T14:30:00.123456Z"}]}',
    ),
    Case(
        "KRAKEN",
        "ETH2.S/ETH",
        8,
        '{"channel":"trade","type":"update","data":[{"symbol":"ETH2.S/ETH","side":"buy","price":0.999,"qty":0.25,'
        '"ord_type":"limit","trade_id":8,"timestamp":"2021-04-17T14:30:00.123456Z"}]}',
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.symbol)


@each
def test_it_goes_from_the_frame_to_gold(case: Case) -> None:
    """As an ordinary trade in columns; silver refuses nothing of it, and gold has it once."""
    record, identity = case.record, f"{case.exchange}:{case.symbol}:{case.trade_id}"
    assert message_id(record.value) == identity
    assert decode(record.value, SCHEMAS)["currency"] == case.symbol.partition("/")[2]
    assert record.key == f"{case.exchange}:{case.symbol}".encode()
    assert decode_columns([record.value], [record.key], SCHEMAS).plain.all()
    passage = Passage(case.exchange, SCHEMA_ID, partition_for(record.key, PARTITIONS), PARTITIONS)
    assert passage.take([record, record]) == [identity]
    assert passage.take([record]) == []


def test_binance_is_subscribed_to_it_and_confirms_it_in_any_script() -> None:
    """The stream's name is the venue's in lower case, and comes back so, as text or escaped."""
    case = CASES[0]
    protocol = case.protocol
    asked = json.loads(protocol.subscribe([case.symbol])[0])
    assert asked["params"] == ["币安人生usdt@trade"]
    for escaped in (True, False):
        listed = json.dumps({"result": asked["params"], "id": 2}, ensure_ascii=escaped).encode()
        assert protocol.receive(listed) == Subscribed(frozenset({case.symbol}))


@each
def test_what_is_told_of_it_is_by_contract_and_can_be_asked_for(case: Case) -> None:
    """An operator's word, its answer in the statistics, and both as the commands name them."""
    name = f"{case.exchange}:{case.symbol}"
    target = ExchangeSymbol.parse(name)
    word = SymbolRecord(exchange=target.exchange, symbol=target.symbol, captured=True, at=5)
    written = feed_records.symbols.outgoing(word)
    said = json.loads((contracts.ROOT / "symbol_v1.json").read_text(encoding="utf-8"))
    Draft202012Validator(said).validate(json.loads(written.value or b""))
    assert (written.key, feed_records.symbols.read(written.value)) == (name.encode(), word)
    event = EventRecord(exchange=target.exchange, kind=EventKind.SUBSCRIBED, service="feed", at=6, symbol=case.symbol)
    counts = FeedCounts(1)
    counts.event(feed_records.events.read(feed_records.events.outgoing(event).value))
    assert counts.shown()["symbols"][name]["last_event"]["kind"] == "subscribed"
    assert all(SymbolFilter.parse(text).takes(event) for text in (name, case.symbol, None))


@each
def test_metrics_and_dead_letters_carry_its_name(case: Case) -> None:
    """As a label, and in the text of a header."""
    metrics = Metrics("feed", "0")
    metrics.last_record.labels(case.exchange, case.symbol).set(7)
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    samples = [sample for family in families for sample in family.samples if sample.labels.get("symbol") == case.symbol]
    assert [sample.value for sample in samples] == [7]
    refused = Refuser("silver", "silver").refuse(case.record, InvalidRecord("key_mismatch", f"of {case.symbol}"))
    assert dict(refused.headers)["k2-dlq-detail"] == f"of {case.symbol}".encode()
    assert refused.key == case.record.key
