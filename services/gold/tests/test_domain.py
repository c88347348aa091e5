"""Gold's memory of trades against a plain set, and its stage."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gold.domain import GoldStage, SeenTrades
from k2_shared.errors import InvalidRecord
from k2_shared.testing.records import SCHEMA_ID, Record, encoded, fields, records, trade, trades
from k2_shared.topics import DLQ, GOLD

MESSAGES = st.builds(
    "{}:{}".format,
    st.sampled_from(["KRAKEN:BTC/USD", "BINANCE:BTC/USD", "KRAKEN:ETH/USD"]),
    st.integers(1, 6) | st.integers(2**32 - 2, 2**32 + 2) | st.sampled_from([2**63 - 1, 10**19 - 1]),
)


class SeenAgainstSets(RuleBasedStateMachine):
    """Any sequence of staging, committing, aborting and restoring is what two plain sets say."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = SeenTrades()
        self.committed: set[str] = set()
        self.staged: set[str] = set()

    @rule(message=MESSAGES)
    def stage(self, message: str) -> None:
        assert self.seen.stage(message) is (message not in self.committed | self.staged)
        self.staged.add(message)

    @rule()
    def merge(self) -> None:
        self.seen.merge()
        self.committed |= self.staged
        self.staged.clear()

    @rule()
    def discard(self) -> None:
        self.seen.discard()
        self.staged.clear()

    @rule(messages=st.lists(MESSAGES, max_size=5))
    def restore(self, messages: list[str]) -> None:
        self.merge()
        self.seen.add(messages)
        self.committed |= set(messages)

    @invariant()
    def nothing_malformed_gets_in(self) -> None:
        with pytest.raises(InvalidRecord):
            self.seen.stage("KRAKEN:BTC/USD:x")


SeenAgainstSets.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSeenAgainstSets = SeenAgainstSets.TestCase


@pytest.mark.parametrize("trade_id", ["", "0", "007", "-1", "1.5", "1e3", "\u0663", " 1", "1_0", "1" * 20, "9" * 5000])
def test_a_message_without_a_trade_id_is_refused(trade_id: str) -> None:
    """Also a number that no bitmap holds: it would fail after the commit, for ever."""
    with pytest.raises(InvalidRecord) as refused:
        SeenTrades().stage(f"KRAKEN:BTC/USD:{trade_id}")
    assert refused.value.reason == "message_id_malformed"


def offsets(outcome: Any, batch: list[Record]) -> list[int]:
    """Which records of a batch were written to gold, by their place; each byte for byte."""
    assert set(outcome.outgoing) <= {GOLD}
    at = {id(record): place for place, record in enumerate(batch)}
    return [at[id(out)] for out in outcome.outgoing[GOLD]]


def test_a_trade_goes_to_gold_once_within_a_batch_and_across_batches() -> None:
    """The first delivery is forwarded untouched; copies differ in receipt and vendor data and are duplicates."""
    gold, batch = GoldStage(SCHEMA_ID), records([trade(trade_id=n) for n in (1, 2, 1, 3, 2)])
    outcome = gold.process(batch)
    assert offsets(outcome, batch) == [0, 1, 3]
    assert outcome.duplicates == 2
    gold.merge()
    later = records([trade(trade_id=3, vendor_data={"ord_type": "market"}), trade(trade_id=4)])
    outcome = gold.process(later)
    assert offsets(outcome, later) == [1]
    assert outcome.duplicates == 1


def test_equal_ids_of_other_symbols_and_exchanges_are_other_trades() -> None:
    """The identity is EXCHANGE:SYMBOL:TRADE_ID."""
    batch = records([trade(trade_id=1), trade(trade_id=1, symbol="ETH/USDT"), trade(trade_id=1, exchange="BINANCE")])
    assert offsets(GoldStage(SCHEMA_ID).process(batch), batch) == [0, 1, 2]


def test_an_aborted_batch_leaves_no_trace() -> None:
    """Its replay is forwarded whole, and only once."""
    gold, batch = GoldStage(SCHEMA_ID), records([trade(trade_id=1), trade(trade_id=2)])
    for _ in range(3):
        assert offsets(gold.process(batch), batch) == [0, 1]
        gold.discard()
    gold.process(batch)
    gold.merge()
    assert gold.process(batch).duplicates == 2


@given(st.lists(trades(), max_size=15), st.data())
def test_restored_state_is_live_state(given_trades: list[Any], data: st.DataObject) -> None:
    """A stage restored from what is in gold drops exactly what the one that wrote it would drop."""
    live, batch = GoldStage(SCHEMA_ID), records(given_trades)
    written = live.process(batch).outgoing[GOLD]
    live.merge()
    cut = data.draw(st.integers(0, len(written)))
    restored = GoldStage(SCHEMA_ID)
    for part in (written[:cut], written[cut:]):
        restored.restore([Record(out.key, out.value) for out in part])
    probe = records([*given_trades, trade(trade_id=777_777)])
    assert restored.process(probe) == live.process(probe)
    assert not restored.process(records(given_trades)).outgoing[GOLD]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "undecodable"),
        (b"", "undecodable"),
        (records([trade()])[0].value[:20], "undecodable"),
        (encoded({**fields(trade()), "message_id": "KRAKEN:BTC/USDT:abc"}), "message_id_malformed"),
        (encoded({**fields(trade()), "message_id": f"KRAKEN:BTC/USDT:{10**25}"}), "message_id_malformed"),
    ],
)
def test_a_record_without_identity_goes_whole_to_the_dlq(data: bytes | None, reason: str) -> None:
    """Its neighbours go on; the outcome adds up; a later commit does not fail on it."""
    gold = GoldStage(SCHEMA_ID)
    good, other = records([trade(trade_id=1), trade(trade_id=2)])
    bad = Record(b"k", data, topic="market.crypto.trades.silver.kraken", offset=9, headers=(("h", b"1"),))
    outcome = gold.process([good, bad, good, other])
    assert list(outcome.outgoing[GOLD]) == [good, other]
    (letter,) = outcome.outgoing[DLQ]
    assert (letter.key, letter.value, letter.timestamp, letter.headers[:1]) == (b"k", data, bad.timestamp, bad.headers)
    assert dict(letter.headers)["k2-dlq-reason"].decode() == reason
    assert dict(letter.headers)["k2-dlq-stage"] == b"gold"
    assert (outcome.rejected, outcome.duplicates) == ({reason: 1}, 1)
    gold.merge()
    assert gold.process([good, other]).duplicates == 2
