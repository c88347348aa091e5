"""Gold's rules: which delivery of a trade counts, and what a conflict is."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gold.domain import GoldProcessor
from gold.reading import Reader
from k2_shared.core.errors import Halt
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import message_id
from k2_shared.kafka.topics import DLQ, GOLD, STATE, partition_for
from k2_shared.stages.processor import Outcome, Stamp
from k2_support.records import SCHEMAS, FakeRecord, encoded, fields, records, trade, trades
from k2_support.spellings import NAMED, PLAIN, Spelling

COMPARED = 256
KEY = trade().key


def gold(partition: int = 0, partitions: int = 1) -> GoldProcessor:
    """A processor of Kraken; of the only partition, so that every symbol is at home."""
    return GoldProcessor("KRAKEN", Reader("KRAKEN", SCHEMAS, partition, partitions), f"gold[{partition}]", COMPARED)


class Log:
    """Gold's topic as a processor writes it: committed records by offset, and the checkpoints by key."""

    def __init__(self) -> None:
        self.gold: list[FakeRecord] = []
        self.state: dict[bytes, bytes] = {}
        self.letters: list[Outgoing] = []

    def commit(self, processor: GoldProcessor, batch: list[Any]) -> Outcome:
        outcome = processor.process(batch)
        first = len(self.gold)
        kept = outcome.outgoing[GOLD]
        self.gold += [FakeRecord(r.key, r.value, GOLD, offset=first + n, headers=r.headers) for n, r in enumerate(kept)]
        later = processor.accept({GOLD: np.arange(first, len(self.gold))} if kept else {})
        self.letters += [*outcome.outgoing[DLQ], *later.get(DLQ, ())]  # type: ignore[arg-type]
        return outcome

    def checkpoint(self, processor: GoldProcessor) -> None:
        for record in processor.checkpoint(Stamp(0, len(self.gold)))[STATE]:
            assert record.key
            if record.value is None:
                del self.state[record.key]
            else:
                self.state[record.key] = record.value

    def recovered(self) -> GoldProcessor:
        processor = gold()
        start = processor.load(self.state).output
        for offset in range(start, len(self.gold), 7):
            processor.restore(self.gold[offset : offset + 7])
        return processor


def ids(outcome: Outcome) -> list[str]:
    return [message_id(record.value) for record in outcome.outgoing[GOLD]]


def test_the_first_delivery_of_a_trade_wins() -> None:
    """Repeats, within a batch and later, are dropped, whatever their vendor data and to REST's microsecond."""
    processor, log = gold(), Log()
    batch = records([trade(trade_id=n) for n in (1, 2, 1, 3, 2)])
    outcome = log.commit(processor, batch)
    assert outcome.outgoing[GOLD] == [batch[0], batch[1], batch[3]]
    again = {"vendor_data": None, "timestamp": trade().timestamp + 1}
    repeats = [trade(trade_id=3, **again), trade(trade_id=4), trade(trade_id=1, **again)]
    outcome = log.commit(processor, records(repeats))
    assert ids(outcome) == ["KRAKEN:BTC/USDT:4"]
    assert (outcome.duplicates, outcome.uncompared, outcome.letters) == (2, 0, 0)


@pytest.mark.parametrize("first", [PLAIN, *NAMED.values()])
def test_a_trade_in_another_spelling_is_a_duplicate(first: Spelling) -> None:
    """Whichever came first, it is in gold byte for byte, and the others say the same of the trade."""
    processor, log = gold(), Log()
    spelt = [FakeRecord(KEY, each.write(fields(trade()))) for each in (first, PLAIN, *NAMED.values())]
    outcome = log.commit(processor, spelt)
    assert (outcome.outgoing[GOLD], outcome.duplicates, outcome.letters) == (spelt[:1], len(spelt) - 1, 0)
    assert log.commit(log.recovered(), spelt).duplicates == len(spelt)


def test_equal_ids_of_other_symbols_are_other_trades() -> None:
    """The identity is EXCHANGE:SYMBOL:TRADE_ID."""
    batch = records([trade(trade_id=1), trade(trade_id=1, symbol="ETH/USDT")])
    assert list(gold().process(batch).outgoing[GOLD]) == batch


@pytest.mark.parametrize("changed", [{"price": Decimal(7)}, {"quantity": Decimal(7)}, {"side": "SELL"}])
@pytest.mark.parametrize("together", [True, False])
def test_the_same_id_with_other_facts_is_a_conflict(changed: dict[str, Any], together: bool) -> None:
    """It goes whole to the dead letters and names the gold record that won, also one of its own batch."""
    processor, log = gold(), Log()
    log.commit(processor, records([trade(trade_id=n) for n in range(1, 6)]))
    first, other = records([trade(trade_id=9), trade(trade_id=9, **changed)])
    if together:
        outcome = log.commit(processor, [first, other, first])
    else:
        log.commit(processor, [first])
        outcome = log.commit(processor, [other, first])
    assert (outcome.rejected, outcome.duplicates) == ({"conflict": 1}, 1)
    assert list(outcome.refused) == [1 if together else 0]
    (letter,) = log.letters
    assert (letter.key, letter.value, letter.headers[:1]) == (other.key, other.value, other.headers)
    said = dict(letter.headers)
    assert (said["k2-dlq-reason"], said["k2-dlq-winner"]) == (b"conflict", b"gold[0]@5")
    assert log.gold[5].value == first.value


def test_a_repeat_older_than_what_is_compared_is_a_duplicate_and_counted_so() -> None:
    """At least the newest ids can be compared, at most a segment more; older ones are exact as ids for ever."""
    processor, log = gold(), Log()
    for start in range(1, 1_001, 100):
        log.commit(processor, records([trade(trade_id=n) for n in range(start, start + 100)]))
    outcome = log.commit(processor, records([trade(trade_id=n, price=Decimal(7)) for n in (1, 1_000 - COMPARED + 1)]))
    assert (outcome.duplicates, outcome.uncompared, outcome.rejected) == (1, 1, {"conflict": 1})


def test_a_batch_that_is_not_written_leaves_no_trace() -> None:
    """Deciding changes nothing: only what is accepted is remembered."""
    processor, batch = gold(), records([trade(trade_id=1), trade(trade_id=2), trade(trade_id=2)])
    assert processor.process(batch) == processor.process(batch)
    log = Log()
    log.commit(processor, batch)
    assert log.commit(processor, batch).duplicates == 3


@given(st.lists(st.lists(trades(), max_size=12), max_size=5), st.data())
def test_recovered_state_is_live_state(batches: list[list[Any]], data: st.DataObject) -> None:
    """Whatever was checkpointed when: checkpoints and the gold behind them give the same state, digest and verdicts."""
    processor, log, given_records = gold(), Log(), []
    for batch in batches:
        own = records([t for t in batch if t.exchange == "KRAKEN"])
        given_records += own
        if own:
            log.commit(processor, own)
        if data.draw(st.booleans()):
            log.checkpoint(processor)
    recovered = log.recovered()
    assert recovered.digest() == processor.digest()
    assert recovered.size().ids == processor.size().ids
    probe = [*given_records, *records([trade(trade_id=777_777)])]
    assert recovered.process(probe) == processor.process(probe)
    fresh = log.recovered().process(given_records) if given_records else None
    assert not (fresh and fresh.outgoing[GOLD])


@pytest.mark.parametrize("every", [1, 3, 40])
def test_long_recovered_state_is_live_state(every: int) -> None:
    """Over many segments and chunks, forgotten ones too, with any distance between checkpoints."""
    processor, log = gold(), Log()
    for number in range(40):
        start = 1 + number * 30_000
        log.commit(processor, records([trade(trade_id=start + n * 7, symbol=f"S{n % 3}/USD") for n in range(200)]))
        if number % every == every - 1:
            log.checkpoint(processor)
            assert log.recovered().digest() == processor.digest()
    assert log.recovered().digest() == processor.digest()
    assert log.recovered().size().ids == processor.size().ids == 40 * 200
    assert sum(key.startswith(b"v1/facts/KRAKEN:S0/USD/") for key in log.state) <= COMPARED // 256 + 1


def test_a_checkpoint_holds_only_what_changed() -> None:
    """Nothing new is only a stamp; one new trade is its chunk and its segment."""
    processor, log = gold(), Log()
    log.commit(processor, records([trade(trade_id=n * 50_000, symbol=s) for n in range(1, 30) for s in ("A/B", "C/D")]))
    log.checkpoint(processor)
    keys = [record.key for record in processor.checkpoint(Stamp(0, 58))[STATE]]
    assert keys == [b"v1/stamp/KRAKEN"]
    log.commit(processor, records([trade(trade_id=1, symbol="A/B")]))
    keys = [record.key for record in processor.checkpoint(Stamp(0, 59))[STATE]]
    assert keys == [b"v1/facts/KRAKEN:A/B/0", b"v1/ids/KRAKEN:A/B/0", b"v1/stamp/KRAKEN"]


def test_each_exchange_recovers_its_own_of_what_both_write() -> None:
    """The other exchange's records and checkpoints in the same partitions are passed over, and unknown kinds."""
    processor, log = gold(), Log()
    log.commit(processor, records([trade(trade_id=1)]))
    log.checkpoint(processor)
    theirs = {b"v1/ids/BINANCE:A/B/0": b"not even a bitmap", b"v1/stamp/BINANCE": b'{"input": 5, "output": 900}'}
    theirs[b"v1/later/KRAKEN:BTC/USDT/0"] = b"of a version to come"
    recovered = gold()
    assert recovered.load(log.state | theirs) == Stamp(0, 1)
    recovered.restore(records([trade(trade_id=5, exchange="BINANCE")]))
    assert recovered.digest() == processor.digest()


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        (KEY, None, "null_value"),
        (None, None, "null_value"),
        (KEY, b"", "bad_magic"),
        (KEY, records([trade()])[0].value[:20], "undecodable"),  # type: ignore[index]
        (KEY, encoded({**fields(trade()), "message_id": "KRAKEN:BTC/USDT:abc"}), "message_id_malformed"),
        (KEY, encoded({**fields(trade()), "message_id": f"KRAKEN:BTC/USDT:{10**25}"}), "message_id_malformed"),
        (KEY, encoded({**fields(trade()), "message_id": f"KRAKEN:BTC/USDT:{'1' * 5_000}"}), "message_id_malformed"),
        (KEY, Spelling(signs=900_000).write(fields(trade())), "oversized"),
        (b"KRAKEN:" + b"B" * 900_000, records([trade()])[0].value, "message_id_malformed"),
        (b"KRAKEN:OTHER/USD", records([trade()])[0].value, "message_id_malformed"),
        (b"BINANCE:BTC/USDT", records([trade(exchange="BINANCE")])[0].value, "message_id_malformed"),
    ],
)
def test_a_record_without_identity_goes_whole_to_the_dlq(key: bytes | None, data: bytes | None, reason: str) -> None:
    """Its neighbours go on; the outcome adds up; nothing of it is remembered."""
    processor, log = gold(), Log()
    good, other = records([trade(trade_id=1), trade(trade_id=2)])
    bad = FakeRecord(key, data, topic="market.crypto.trades.silver.kraken", offset=9, headers=(("h", b"1"),))
    outcome = log.commit(processor, [good, bad, good, other])
    assert list(outcome.outgoing[GOLD]) == [good, other]
    (letter,) = log.letters
    assert (letter.key, letter.value, letter.timestamp, letter.headers[:1]) == (key, data, bad.timestamp, bad.headers)
    assert dict(letter.headers)["k2-dlq-reason"].decode() == reason
    assert dict(letter.headers)["k2-dlq-stage"] == b"gold"
    assert (outcome.rejected, outcome.refused, outcome.duplicates) == ({reason: 1}, [1], 1)
    assert log.commit(processor, [good, other]).duplicates == 2


def test_a_symbol_of_another_partition_is_refused() -> None:
    """What has seen its trades is another partition's state, so here it could double one."""
    home = partition_for(KEY, 12)
    batch = records([trade(trade_id=1)])
    assert list(gold(home, 12).process(batch).outgoing[GOLD]) == batch
    outcome = gold(home - 1, 12).process(batch)
    assert outcome.rejected == {"foreign_partition": 1}
    detail = dict(outcome.outgoing[DLQ][0].headers)["k2-dlq-detail"].decode()
    assert f"belongs to partition {home}" in detail


def test_ordinary_and_unusual_encodings_of_a_trade_are_one_trade() -> None:
    """What the columns cannot read is compared by the same facts: many vendor entries do not make another trade."""
    processor, log = gold(), Log()
    log.commit(processor, records([trade(trade_id=1), trade(trade_id=2)]))
    unusual = {"vendor_data": {str(n): "ü" for n in range(20)}}
    outcome = log.commit(processor, records([trade(trade_id=1, **unusual), trade(trade_id=2, side="SELL", **unusual)]))
    assert (outcome.duplicates, outcome.rejected) == (1, {"conflict": 1})


def test_a_transaction_without_records_changes_nothing() -> None:
    """A checkpoint alone: nothing was decided, so there is nothing to take in."""
    processor = gold()
    assert processor.accept({}) == {}
    assert processor.size().ids == 0


def test_ids_without_facts_are_no_checkpoint() -> None:
    """Both are written in one transaction: what lost a part cannot tell a repeat from a conflict."""
    processor, log = gold(), Log()
    log.commit(processor, records([trade(trade_id=1)]))
    log.checkpoint(processor)
    kept = {key: value for key, value in log.state.items() if b"/facts/" not in key}
    with pytest.raises(Halt, match=r"ids and no facts of KRAKEN:BTC/USDT: records of market.crypto.trades.gold.state"):
        gold().load(kept)
