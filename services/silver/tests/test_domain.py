"""Silver's processor: the same bytes on, or the whole record to the dead letters; every record accounted for."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.avro import DECIMAL_BYTES
from k2_shared.core.records import Outgoing
from k2_shared.kafka.topics import DLQ, SILVER
from k2_support.records import (
    RECEIVED_NS,
    SCHEMA_ID,
    SCHEMAS,
    FakeRecord,
    encoded,
    fields,
    records,
    trade,
    trades,
    value,
)
from k2_support.spellings import NAMED, PLAIN, Spelling
from silver.domain import SilverProcessor

GOOD = value(trade())
OUT = SILVER.format(exchange="kraken")


def _with_side(index: bytes) -> bytes:
    """A valid trade whose side is the enum index given."""
    buy, sell = (encoded({**fields(trade()), "side": side}) for side in ("BUY", "SELL"))
    (at,) = (place for place, (one, two) in enumerate(zip(buy, sell, strict=True)) if one != two)
    return buy[:at] + index + buy[at + 1 :]


POISON: list[tuple[str, bytes | None]] = [
    ("null_value", None),
    ("bad_magic", b""),
    ("bad_magic", b"\x01" + GOOD[1:]),
    ("bad_magic", b'{"price": 1}'),
    ("unknown_schema", value(trade(), SCHEMA_ID + 1)),
    ("undecodable", GOOD[:30]),
    ("undecodable", GOOD[:-1]),
    ("undecodable", GOOD[:5]),
    ("undecodable", GOOD[:5] + b"\xff" * 100),
    ("trailing_bytes", GOOD + b"\x00"),
    ("trailing_bytes", GOOD + GOOD),
    ("not_canonical", _with_side(b"\x01")),  # index -1: fastavro takes it for the last symbol
    ("oversized", Spelling(signs=DECIMAL_BYTES).write(fields(trade()))),
    ("oversized", Spelling(signs=900_000).write(fields(trade()))),
    ("price_not_positive", encoded({**fields(trade()), "price": Decimal(0)})),
]


def processor(skew_s: float = 60.0, now_ns: int = RECEIVED_NS) -> SilverProcessor:
    return SilverProcessor("KRAKEN", SCHEMAS, skew_s, clock_ns=lambda: now_ns)


def whole(record: FakeRecord | Outgoing) -> tuple[Any, ...]:
    """Everything of a record but the headers that silver adds."""
    headers = tuple(header for header in record.headers if not header[0].startswith("k2-dlq-"))
    return record.key, record.value, record.timestamp, headers


@given(st.lists(trades().filter(lambda t: t.exchange == "KRAKEN"), max_size=20))
def test_valid_trades_are_forwarded_byte_for_byte_in_order(given_trades: list[Any]) -> None:
    """Key, value, headers and timestamp as they came."""
    batch = records(given_trades)
    outcome = processor().process(batch)
    assert list(outcome.outgoing[OUT]) == batch
    assert not outcome.outgoing.get(DLQ)
    assert not outcome.rejected
    assert outcome.duplicates == 0


@pytest.mark.parametrize(("reason", "poison"), POISON)
def test_poison_goes_whole_to_the_dlq(reason: str, poison: bytes | None) -> None:
    """Its neighbours go on; it is untouched and says why, from where, and by whom."""
    bad = FakeRecord(b"any key\xff", poison, partition=4, offset=99, timestamp=5, headers=(("foreign", b"\x00"),))
    if reason in {"price_not_positive", "not_canonical"}:
        bad = FakeRecord(trade().key, poison, partition=4, offset=99, timestamp=5, headers=(("foreign", b"\x00"),))
    good = FakeRecord(trade().key, GOOD)
    outcome = processor().process([good, bad, good])
    assert outcome.outgoing[OUT] == [good, good]
    (letter,) = outcome.outgoing[DLQ]
    assert whole(letter) == whole(bad)
    said = {name: text.decode() for name, text in letter.headers if name.startswith("k2-dlq-")}
    assert said["k2-dlq-reason"] == reason
    assert said["k2-dlq-detail"]
    assert (said["k2-dlq-stage"], said["k2-dlq-service"]) == ("silver", "silver")
    assert (said["k2-dlq-topic"], said["k2-dlq-partition"], said["k2-dlq-offset"]) == (bad.topic, "4", "99")
    assert outcome.rejected == {reason: 1}


@pytest.mark.parametrize("said", [None, {"ord_type": "limit"}, {f"key{n}": "value" for n in range(9)}])
@pytest.mark.parametrize("vary", [{}, {"price": Decimal(0)}, {"price": Decimal("10000000000.00000000")}])
def test_every_legal_spelling_is_judged_as_the_plain_one(vary: dict[str, Any], said: dict[str, str] | None) -> None:
    """It goes on byte for byte where the plain one does, and has its reason where that has one; in one batch."""
    of = {**fields(trade()), **vary, "vendor_data": said}
    batch = [FakeRecord(trade().key, each.write(of)) for each in (PLAIN, *NAMED.values())]
    outcome = processor().process(batch)
    if vary:
        (why,) = processor().process(batch[:1]).rejected
        assert outcome.rejected == {why: len(batch)}
    else:
        assert (outcome.outgoing[OUT], outcome.rejected) == (batch, {})


@given(st.lists(st.sampled_from([("", GOOD), *POISON]) | st.tuples(st.just("any"), st.binary(max_size=120))))
def test_every_record_is_accounted_for(given_values: list[tuple[str, bytes | None]]) -> None:
    """One record out for each in, in order; refusals counted by reason; nothing is ever a duplicate here."""
    batch = [FakeRecord(trade().key, data, offset=offset) for offset, (_, data) in enumerate(given_values)]
    outcome = processor().process(batch)
    letters = outcome.outgoing.get(DLQ, [])
    refused = {int(dict(letter.headers)["k2-dlq-offset"]): letter for letter in letters}
    kept = [record for record in batch if record.offset not in refused]
    assert list(outcome.refused) == sorted(refused)
    assert list(outcome.outgoing[OUT]) == kept
    assert all(whole(letter) == whole(batch[offset]) for offset, letter in refused.items())
    said = [dict(letter.headers)["k2-dlq-reason"].decode() for letter in letters]
    assert outcome.rejected == Counter(said)
    expected = Counter(reason for reason, _ in given_values if reason not in ("", "any"))
    assert all(outcome.rejected[reason] >= count for reason, count in expected.items())


@pytest.mark.parametrize(("ahead_us", "refused"), [(0, False), (1_500_000, False), (1_500_001, True)])
def test_the_exchanges_clock_may_run_ahead_by_the_skew(ahead_us: int, refused: bool) -> None:
    """A recorded receiver ran over a second behind; the time of the exchange is kept either way."""
    timestamp = RECEIVED_NS // 1_000 + ahead_us
    outcome = processor(skew_s=1.5).process(records([trade(timestamp=timestamp)]))
    assert outcome.rejected == ({"timestamp_in_future": 1} if refused else {})


def test_nothing_is_remembered() -> None:
    """The same batch gives the same outcome whatever came before."""
    silver, batch = processor(), records([trade()])
    first = silver.process(batch)
    silver.accept({})
    assert silver.process(batch) == first


def test_a_valid_trade_that_no_column_holds_goes_on() -> None:
    """Many vendor entries are unusual, not wrong: it is read alone, and its bytes are the same."""
    batch = records([trade(), trade(vendor_data={str(number): "ü" for number in range(20)})])
    outcome = processor().process([*batch, FakeRecord(trade().key, None)])
    assert (outcome.outgoing[OUT], outcome.rejected) == (batch, {"null_value": 1})
