"""What the feeds tell of themselves: what is written is what the JSON Schemas say, and is read back."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from k2_shared.core import contracts
from k2_shared.core.errors import InvalidRecord
from k2_shared.feed.coverage.feed_records import (
    Cause,
    EventKind,
    EventRecord,
    GapRecord,
    GapState,
    Resumption,
    SymbolRecord,
    events,
    gaps,
    moment,
    now_us,
    symbols,
)
from k2_shared.kafka.topics import EVENTS, EXCHANGES, GAPS, SYMBOLS

CODECS: dict[str, Any] = {GAPS: gaps, EVENTS: events, SYMBOLS: symbols}
KINDS: dict[str, type[msgspec.Struct]] = {GAPS: GapRecord, EVENTS: EventRecord, SYMBOLS: SymbolRecord}
EXAMPLES = [(topic, path) for topic in CODECS for path in contracts.topics()[topic].examples]
GAP: dict[str, Any] = contracts.example("valid/gap_opened.json")["value"]

exchanges = st.sampled_from(EXCHANGES)
pairs = st.sampled_from(["BTC/USD", "1INCH/USDT", "AAPLx/USD", "ETH2.S/ETH", "币安人生/USDT"])
ids = st.integers(1, 2**63 - 1)
times = st.integers(0, 2**53)
RECORDS: dict[str, st.SearchStrategy[Any]] = {
    GAPS: st.builds(
        GapRecord,
        exchange=exchanges,
        symbol=pairs,
        state=st.sampled_from(GapState),
        first_id=ids,
        last_id=ids,
        cause=st.sampled_from(Cause),
        opened_at=times,
        at=times,
    ),
    EVENTS: st.builds(
        EventRecord,
        exchange=exchanges,
        kind=st.sampled_from(EventKind),
        service=st.text(min_size=1),
        at=times,
        symbol=st.just("") | pairs,
        detail=st.text(),
    ),
    SYMBOLS: st.builds(
        SymbolRecord,
        exchange=exchanges,
        symbol=pairs,
        captured=st.booleans(),
        at=times,
        backfill_from_id=st.none() | ids,
        resumption=st.none() | st.sampled_from(Resumption),
    ),
}


def schema(topic: str) -> dict[str, Any]:
    """The JSON Schema that a topic's contract names."""
    contract = yaml.safe_load((contracts.ROOT / f"topics/{topic}.yaml").read_text())
    found: dict[str, Any] = json.loads((contracts.ROOT / contract["value"]["json_schema"]).read_text())
    return found


def refusals(topic: str, value: Any) -> list[str]:
    """Why a value is not of a topic's schema."""
    return [error.message for error in Draft202012Validator(schema(topic)).iter_errors(value)]


@pytest.mark.parametrize("topic", CODECS)
def test_a_schema_has_the_fields_of_its_record(topic: str) -> None:
    """A field that is added or renamed on one side alone is noticed."""
    Draft202012Validator.check_schema(schema(topic))
    assert set(schema(topic)["properties"]) == set(KINDS[topic].__struct_fields__)


@pytest.mark.parametrize(
    ("topic", "field", "values"),
    [
        (GAPS, "state", GapState),
        (GAPS, "cause", Cause),
        (EVENTS, "kind", EventKind),
        (SYMBOLS, "resumption", (*Resumption, None)),
    ],
)
def test_a_schema_lists_the_values_of_its_record(topic: str, field: str, values: Any) -> None:
    """A new cause or event is in the contract too."""
    assert schema(topic)["properties"][field]["enum"] == list(values)


@pytest.mark.parametrize("topic", CODECS)
@given(data=st.data())
def test_what_is_written_is_of_the_schema_and_is_read_back(topic: str, data: st.DataObject) -> None:
    """Every record that the code can hold is one that the contract knows."""
    record = data.draw(RECORDS[topic])
    written = CODECS[topic].outgoing(record)
    assert refusals(topic, json.loads(written.value)) == []
    assert CODECS[topic].read(written.value) == record
    assert (written.topic, written.timestamp, written.headers) == (topic, record.at // 1_000, ())


@pytest.mark.parametrize(("topic", "path"), EXAMPLES)
def test_an_example_is_what_the_codec_writes(topic: str, path: str) -> None:
    """Key and value, to the last field."""
    said = contracts.example(path)
    assert refusals(topic, said["value"]) == []
    written = CODECS[topic].outgoing(CODECS[topic].read(json.dumps(said["value"]).encode()))
    assert (written.key.decode(), json.loads(written.value)) == (said["key"], said["value"])


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value | {"state": "forgotten"},
        lambda value: value | {"exchange": "BINANCE.US"},
        lambda value: value | {"first_id": "3735683259"},
        lambda value: {name: found for name, found in value.items() if name != "cause"},
    ],
)
def test_what_is_not_of_the_schema_is_not_read(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Schema and codec refuse the same records."""
    assert refusals(GAPS, change(GAP))
    with pytest.raises(InvalidRecord, match=f"undecodable: not a record of {GAPS}"):
        gaps.read(json.dumps(change(GAP)).encode())


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[]", b'{"kind":"\xff"}', b'{"new":' + b"[" * 100_000])
def test_a_value_that_is_no_record_is_refused(value: bytes | None) -> None:
    """A tombstone and rubbish are told by the same reason."""
    with pytest.raises(InvalidRecord, match="undecodable"):
        events.read(value)


def test_a_gap_has_its_size_and_its_age() -> None:
    """Both ends are included; the age is from the opening to the record."""
    gap = gaps.read(json.dumps(contracts.example("valid/gap_filled.json")["value"]).encode())
    assert gap.count == 43
    assert gap.latency_s == 1.758


def test_now_is_in_microseconds() -> None:
    """Between two seconds of this century, and not going back."""
    assert 1_600_000_000_000_000 < now_us() <= now_us() < 4_000_000_000_000_000


def test_a_time_is_told_as_people_read_it() -> None:
    """A number that no calendar holds stays a number."""
    assert moment(1_700_000_000_123_456) == "2023-11-14T22:13:20.123+00:00"
    assert moment(2**62) == str(2**62)
