"""Dead letters are rows, whatever their headers say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from k2_shared.arrow.letters import letters
from k2_shared.core.errors import InvalidRecord
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import DLQ
from k2_support.records import ORIGIN, SCHEMA_ID, FakeRecord, trade, value

KAFKA_TIME = datetime(1970, 1, 1, 23, 59, 59, 999_000, tzinfo=UTC)
REFUSED_NS = 1_762_795_436_123_456_789


def row(*headers: tuple[str, Any], key: bytes | None = b"k", data: bytes | None = b"v") -> dict[str, Any]:
    record = FakeRecord(key, data, DLQ, 3, 41, timestamp=86_399_999, headers=headers)
    (found,) = letters([record]).to_pylist()
    return dict(found)


def test_a_letter_says_who_refused_what_and_why() -> None:
    """The record is whole: key, value, every header in its order; the place is where it had stood."""
    refused = FakeRecord(
        b"KRAKEN:BTC/USDT", value(trade()), "some.topic", 2, 7, headers=(("k2-origin", ORIGIN.pack()),)
    )
    letter = Refuser("silver", "silver").refuse(refused, InvalidRecord("price_not_positive", "the price ≤ 0"))
    found = row(*letter.headers, key=letter.key, data=letter.value)
    said = ("reason", "detail", "stage", "service", "attempt", "source_topic", "source_partition", "source_offset")
    assert [found[name] for name in said] == [
        *("price_not_positive", "the price ≤ 0", "silver", "silver", 1),
        *("some.topic", 2, 7),
    ]
    assert (found["message_key"], found["value"], found["schema_id"]) == ("KRAKEN:BTC/USDT", refused.value, SCHEMA_ID)
    assert [(each["name"], each["value"]) for each in found["headers"]] == list(letter.headers)
    assert (found["topic"], found["partition"], found["offset"]) == (DLQ, 3, 41)
    assert found["kafka_timestamp"] == KAFKA_TIME


def test_a_refusals_time_is_its_own() -> None:
    """To the microsecond; not that of the record, which is untouched."""
    found = row(("k2-dlq-time", str(REFUSED_NS).encode()))
    assert found["refused_at"] == datetime(2025, 11, 10, 17, 23, 56, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("odd", [None, b"", b"\xff", b"-1", b"1e3", b"9" * 19])
def test_somebody_elses_record_is_a_letter_that_says_nothing(odd: bytes | None) -> None:
    """It keeps no other out: numbers that are none are null, and its refusal has Kafka's time."""
    found = row(*((f"k2-dlq-{name}", odd) for name in ("partition", "offset", "attempt", "time")), data=None)
    assert (found["source_partition"], found["source_offset"], found["schema_id"]) == (None, None, None)
    assert (found["attempt"], found["reason"], found["refused_at"]) == (0, "", KAFKA_TIME)


def test_no_letter_is_no_row() -> None:
    """And has the columns all the same."""
    assert letters([]).num_rows == 0
    assert "refused_at" in letters([]).column_names
