"""The origin header and the dead letter's headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.origin import HEADER, Origin, Source, find, receipts, received_ns
from k2_shared.core.records import Outgoing
from k2_shared.kafka.dlq import MAX_DETAIL_BYTES, Refuser, source
from k2_shared.kafka.topics import DLQ
from k2_support.records import ORIGIN, RECEIVED_NS, FakeRecord, records, trade

UNSIGNED = st.integers(0, 2**64 - 1)


@given(st.integers(0, 2**63 - 1), UNSIGNED, UNSIGNED, st.sampled_from(Source))
def test_origin_round_trip(received: int, connection: int, frame: int, feed: Source) -> None:
    """The 26 bytes hold all of it, and the time can be read alone."""
    origin = Origin(received, connection, frame, feed)
    assert len(origin.pack()) == 26
    assert Origin.unpack(origin.pack()) == origin
    assert received_ns(((HEADER, origin.pack()),)) == received


@pytest.mark.parametrize("header", [b"", b"\x02" + ORIGIN.pack()[1:], ORIGIN.pack()[:-1], ORIGIN.pack() + b"\x00"])
def test_a_foreign_origin_is_told_apart(header: bytes) -> None:
    """Another version or length is not read as ours."""
    with pytest.raises(ValueError, match="not an origin header of version 1"):
        Origin.unpack(header)
    assert received_ns(((HEADER, header),)) is None


def test_origin_is_found_among_other_headers() -> None:
    """Other headers do not matter; without one there is none."""
    assert find((("other", b"1"), (HEADER, b"2"))) == b"2"
    assert find((("other", b"1"),)) is None
    assert received_ns(()) is None


def test_a_batchs_receipts_are_those_of_its_records() -> None:
    """Of an origin, of none, and of what is not ours, side by side; a time before 1970 too."""
    early = Origin(-1, 0, 0).pack()
    packed = [ORIGIN.pack(), b"", b"\x02" + ORIGIN.pack()[1:], ORIGIN.pack()[:-1], early]
    batch = [(), *(((HEADER, header),) for header in packed), (("other", b"1"), (HEADER, ORIGIN.pack()))]
    found, known = receipts(batch)
    alone = [received_ns(headers) for headers in batch]
    assert known.tolist() == [each is not None for each in alone]
    assert found[known].tolist() == [each for each in alone if each is not None]


def said(letter: Outgoing) -> dict[str, str]:
    """What a dead letter says about its refusal, the last word for each name."""
    return {name.removeprefix(PREFIX): data.decode() for name, data in letter.headers if name.startswith(PREFIX)}


REFUSER = Refuser("silver", "silver")
RECORD = FakeRecord(b"KRAKEN:BTC/USD", b"\x00any", offset=41, partition=3, timestamp=17)


def test_a_dead_letter_holds_the_record_untouched() -> None:
    """Key, value, timestamp and the record's own headers are as they were; ours follow them."""
    letter = REFUSER.refuse(RECORD, InvalidRecord("price_not_positive", "price 0"))
    assert (letter.topic, letter.key, letter.value, letter.timestamp) == (DLQ, RECORD.key, RECORD.value, 17)
    assert letter.headers[:1] == RECORD.headers
    found = said(letter)
    assert int(found.pop("time")) > RECEIVED_NS
    assert found.pop("version")
    assert found == {
        "topic": RECORD.topic,
        "partition": "3",
        "offset": "41",
        "stage": "silver",
        "reason": "price_not_positive",
        "detail": "price 0",
        "service": "silver",
        "attempt": "1",
    }


def test_a_null_value_stays_null() -> None:
    """A tombstone is a dead letter as it is."""
    letter = REFUSER.refuse(FakeRecord(None, None), InvalidRecord("null_value", ""))
    assert (letter.key, letter.value) == (None, None)


@given(st.text(min_size=MAX_DETAIL_BYTES // 4, max_size=3000))
def test_the_detail_is_bounded_and_stays_text(detail: str) -> None:
    """It is cut at 1,024 bytes, between characters."""
    found = said(REFUSER.refuse(RECORD, InvalidRecord("x", detail)))["detail"]
    assert len(found.encode()) <= MAX_DETAIL_BYTES
    assert detail.startswith(found)
    assert len(found.encode()) > MAX_DETAIL_BYTES - 4 or found == detail


def test_attempts_count_up() -> None:
    """A letter that was replayed and refused again carries the next number last."""
    letter = REFUSER.refuse(RECORD, InvalidRecord("x", "y"))
    for attempt in (2, 3):
        letter = REFUSER.refuse(FakeRecord(RECORD.key, RECORD.value, headers=letter.headers), InvalidRecord("x", "y"))
        assert said(letter)["attempt"] == str(attempt)


@pytest.mark.parametrize("foreign", [b"", b"many", b"-1", "٣".encode(), b"9" * 5000])
def test_a_foreign_attempt_is_not_counted(foreign: bytes) -> None:
    """Somebody else's header of that name cannot stop a stage."""
    record = FakeRecord(b"k", b"v", headers=((f"{PREFIX}attempt", foreign),))
    assert said(REFUSER.refuse(record, InvalidRecord("x", "y")))["attempt"] == "1"


def test_a_refused_frame_says_where_it_was_going() -> None:
    """A frame has no offset yet; its topic leads to the raw record."""
    (record,) = records([trade()])
    frame = Outgoing("market.crypto.trades.kraken.raw", b"k", b"{", 17, record.headers)
    found = said(Refuser("feed", "feed_kraken").refuse_frame(frame, InvalidRecord("unreadable_frame", "cut")))
    assert (found["topic"], found["stage"], found["attempt"]) == (frame.topic, "feed", "1")
    assert "offset" not in found


def test_an_origin_is_read_back() -> None:
    """Every field of it."""
    assert Origin.unpack(ORIGIN.pack()) == ORIGIN
    assert received_ns(((HEADER, ORIGIN.pack()),)) == ORIGIN.received_ns


def test_the_source_of_a_record_is_where_it_was_read_and_of_a_letter_where_its_record_was() -> None:
    """The last refusal's word counts, and what was read nowhere says so."""
    error = InvalidRecord("price_not_positive", "price 0")
    letter = REFUSER.refuse(RECORD, error)
    again = FakeRecord(letter.key, letter.value, DLQ, partition=5, offset=7, headers=letter.headers)
    assert source(RECORD) == source(letter) == f"{RECORD.topic}[3]@41"
    assert source(again) == source(REFUSER.refuse(again, error)) == f"{DLQ}[5]@7"
    assert source(Outgoing(DLQ, b"k", b"v", 1, ())) == "key k"
