"""The trade codec: exact both ways, and no bytes get anything but a trade or a named refusal out of it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import (
    Trade,
    claimed_schema,
    decode,
    decode_as_contract,
    encode,
    fits,
    is_addition,
    message_id,
    readable,
    schema_ids,
    wire_prefix,
)
from k2_support.records import (
    ADDED,
    RECEIVED_NS,
    SCHEMA_ID,
    SCHEMAS,
    FakeRecord,
    decimals,
    encoded,
    fields,
    newer_schema,
    older_schema,
    trade,
    trades,
    value,
    with_exchanges,
)

REASONS = {
    "null_value",
    "bad_magic",
    "unknown_schema",
    "unreadable_schema",
    "undecodable",
    "not_canonical",
    "oversized",
    "trailing_bytes",
}
VALUE = value(trade())
BEYOND_CONTEXT = ["1e1000000", "-1e1000000", "1e-1000000", "NaN", "sNaN", "Infinity"]


def outcome(data: bytes | None) -> dict[str, Any] | str:
    """What decoding gives: the record, or the reason of its refusal; any other exception is a failure."""
    try:
        return decode(data, SCHEMAS)
    except InvalidRecord as error:
        return error.reason


def short_way(data: bytes | None) -> str | type[InvalidRecord]:
    """The id read alone, or InvalidRecord where it was refused; any other exception is a failure."""
    try:
        return message_id(data)
    except InvalidRecord:
        return InvalidRecord


@given(trades())
def test_round_trip(of: Trade) -> None:
    """What is encoded is decoded, every field, exactly."""
    found = decode(value(of), SCHEMAS)
    assert found == {
        "message_id": of.message_id,
        "trade_id": str(of.trade_id),
        "symbol": of.symbol,
        "exchange": of.exchange,
        "timestamp": of.timestamp,
        "price": of.price,
        "quantity": of.quantity,
        "currency": of.symbol.split("/")[1],
        "side": of.side,
        "source_sequence": of.trade_id,
        "ingestion_timestamp": RECEIVED_NS // 1_000,
        "vendor_data": of.vendor_data,
    }
    assert message_id(value(of)) == of.message_id


@given(decimals(), st.sampled_from(["price", "quantity"]))
def test_decimals_keep_every_digit(amount: Decimal, name: str) -> None:
    """Eighteen digits come back, scale 8."""
    found = decode(value(trade(**{name: amount})), SCHEMAS)[name]
    assert found == amount
    assert found.as_tuple().exponent == -8


@pytest.mark.parametrize("text", ["1e-05", "1E+3", "0.1", "105433.6000000000", "9999999999.99999999", "-0.00000001"])
def test_any_spelling_of_a_number_is_exact(text: str) -> None:
    """Exponents and trailing zeros are spellings, not other numbers."""
    assert decode(value(trade(price=Decimal(text))), SCHEMAS)["price"] == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [*BEYOND_CONTEXT, "1e10", "46000000000", "0.000000001", "1e-9", "1.123456789", "9999999999.999999999", "9" * 60],
)
@pytest.mark.parametrize("name", ["price", "quantity"])
def test_a_number_that_does_not_fit_is_refused_never_rounded(text: str, name: str) -> None:
    """Decimal(18,8) holds it exactly or not at all; the refusal quotes it as it came."""
    assert not fits(Decimal(text))
    with pytest.raises(InvalidRecord, match="does not fit") as refused:
        value(trade(**{name: Decimal(text)}))
    assert refused.value.reason == "decimal_overflow"
    assert str(Decimal(text)) in refused.value.detail


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
@pytest.mark.parametrize("name", ["trade_id", "timestamp"])
def test_a_number_beyond_64_bits_is_refused(name: str, number: int) -> None:
    """Avro's long ends at 64 bits."""
    with pytest.raises(InvalidRecord) as refused:
        value(trade(**{name: number}))
    assert refused.value.reason == f"{name}_overflow"


@pytest.mark.parametrize("end", range(len(VALUE)))
def test_every_truncation_is_refused(end: int) -> None:
    """A value cut anywhere is no trade, and where its id is cut it has none."""
    assert outcome(VALUE[:end]) == ("bad_magic" if end < 5 else "undecodable")
    whole = end >= 6 + len(trade().message_id)
    assert short_way(VALUE[:end]) == (trade().message_id if whole else InvalidRecord)


@given(st.binary(min_size=1, max_size=40))
def test_trailing_bytes_are_refused(more: bytes) -> None:
    """Nothing may follow the record."""
    assert outcome(VALUE + more) == "trailing_bytes"


@given(
    st.lists(st.tuples(st.integers(0, len(VALUE) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.binary(max_size=12),
    st.integers(5, len(VALUE)),
)
def test_mutated_bytes_give_a_trade_or_a_named_reason(edits: list[tuple[int, int]], more: bytes, at: int) -> None:
    """Whatever the bytes, nothing but InvalidRecord comes out, and the short way to the id agrees with the long one."""
    data = bytearray(VALUE)
    for position, byte in edits:
        data[position] = byte
    data[at:at] = more
    found = outcome(bytes(data))
    if isinstance(found, str):
        assert found in REASONS
    else:
        assert message_id(bytes(data)) == found["message_id"]


@given(st.none() | st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_with_a_bounded_reason(data: bytes | None) -> None:
    """Bytes of anything are not a trade, for either reader."""
    assert outcome(data) in REASONS
    assert isinstance(short_way(data), str) or short_way(data) is InvalidRecord


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "null_value"),
        (b"", "bad_magic"),
        (b"\x01" + VALUE[1:], "bad_magic"),
        (value(trade(), SCHEMA_ID + 1), "unknown_schema"),
        (VALUE[:5] + b"\xff" * 30, "undecodable"),
    ],
)
def test_poison_has_its_own_reason(data: bytes | None, reason: str) -> None:
    """The reason tells the operator which layer broke."""
    assert outcome(data) == reason


@pytest.mark.parametrize(
    "data",
    [None, b"", VALUE[:5], VALUE[:5] + b"\x01", VALUE[:5] + b"\x04\xff\xfe", VALUE[:5] + b"\x80" * 50],
    ids=["null", "empty", "prefix", "negative", "not-utf8", "endless-length"],
)
def test_a_value_without_an_id_is_undecodable(data: bytes | None) -> None:
    """Gold reads the id alone and refuses what has none."""
    with pytest.raises(InvalidRecord) as refused:
        message_id(data)
    assert refused.value.reason == "undecodable"


def test_the_prefix_is_the_registrys_wire_format() -> None:
    """Magic 0, then the id as four big-endian bytes."""
    assert encode(trade(), 0, wire_prefix(258))[:5] == b"\x00\x00\x00\x01\x02"


@pytest.mark.parametrize("exchanges", [("BINANCE", "KRAKEN", "TOY"), ("TOY", "KRAKEN"), ("KRAKEN",)])
def test_a_schema_with_fewer_or_more_exchanges_is_read_by_its_own_enum(exchanges: tuple[str, ...]) -> None:
    """The number of an exchange means what the writer's schema says, beside the contract's own."""
    schema = with_exchanges(*exchanges)
    found = readable(schema)
    assert found is not None
    assert found.exchanges == exchanges
    data = encoded(fields(trade()), 8, schema)
    assert decode(data, {**SCHEMAS, 8: found}) == decode(value(trade()), {**SCHEMAS, 8: found}) == fields(trade())


def test_documentation_alone_is_no_difference() -> None:
    """The registry tells schemas apart by their text; a reader does not mind the doc's."""
    schema = with_exchanges("BINANCE", "KRAKEN")
    schema["fields"][0]["doc"] = schema["doc"] = "said better"
    assert readable(schema) is not None


def test_a_field_that_a_newer_contract_added_is_passed_over() -> None:
    """It is named, so that whoever would lose it can refuse; the record is the same."""
    found = readable(newer_schema())
    assert found is not None
    assert found.unknown == ("fee",)
    data = encoded({**fields(trade()), "fee": "1"}, 8, newer_schema())
    assert decode(data, {8: found}) == fields(trade())


def test_a_field_that_an_older_contract_had_not_is_null() -> None:
    """As all that its records have."""
    found = readable(older_schema())
    assert found is not None
    assert found.unknown == ()
    data = encoded(fields(trade()), 8, older_schema())
    assert decode(data, {8: found}) == {**fields(trade()), "vendor_data": None}


@pytest.mark.parametrize(
    ("change", "addable"),
    [
        ({}, True),
        ({"type": ["null", "long"]}, True),
        ({"type": ["null", {"type": "map", "values": "string"}]}, True),
        ({"type": ["null", "bytes"]}, False),
        ({"type": "string"}, False),
        ({"type": ["string", "null"]}, False),
        ({"default": ""}, False),
    ],
)
def test_what_can_be_added_is_null_by_default_and_of_a_known_type(change: dict[str, Any], addable: bool) -> None:
    """A field without a default cannot."""
    assert is_addition({**ADDED, **change}) is addable
    assert not is_addition({name: said for name, said in {**ADDED, **change}.items() if name != "default"})


def unlike() -> dict[str, Any]:
    """Schemas that a record of the contract's is not laid out by, or that mean something else."""
    made = (with_exchanges("KRAKEN") for _ in range(6))
    required, number, between, without, scale, side = made
    required["fields"].append({"name": "fee", "type": "long"})
    number["fields"].append({"name": "fee", "type": ["null", "double"], "default": None})
    between["fields"].insert(3, {"name": "fee", "type": ["null", "long"], "default": None})
    del without["fields"][10:]
    scale["fields"][5]["type"]["scale"] = 4
    side["fields"][8]["type"]["symbols"] = ["SELL", "BUY"]
    return {
        "a field that must be there": required,
        "a field of a type that is not read": number,
        "a field among the others": between,
        "a required field less": without,
        "another scale": scale,
        "sides in another order": side,
        "no record": "string",
    }


@pytest.mark.parametrize("name", unlike())
def test_a_registered_schema_of_another_layout_is_not_unknown(name: str) -> None:
    """What differs in more than its exchanges is refused under a reason of its own."""
    assert readable(unlike()[name]) is None
    with pytest.raises(InvalidRecord, match="schema id 8 is registered") as refused:
        decode(value(trade(), 8), {**SCHEMAS, 8: readable(unlike()[name])})
    assert refused.value.reason == "unreadable_schema"


def test_ids_of_a_batch() -> None:
    """Each once; what is no value in the wire format claims none."""
    values = [value(trade()), value(trade(), 9), value(trade()), None, b"", b"\0\0", b"\1\0\0\0\5x"]
    assert schema_ids(FakeRecord(b"any", each) for each in values) == {7, 9}


def test_without_a_registry_a_trade_is_decoded_under_the_id_that_it_claims() -> None:
    """Whatever the id; what is no trade is refused as by ``decode``."""
    for schema_id in (1, SCHEMA_ID, 2**32 - 1):
        assert claimed_schema(value(trade(), schema_id)) == schema_id
        assert decode_as_contract(value(trade(), schema_id)) == decode(value(trade()), SCHEMAS)
    for broken, reason in ((None, "null_value"), (b"", "bad_magic"), (b"\x00\x00\x01", "bad_magic")):
        with pytest.raises(InvalidRecord, match=reason):
            decode_as_contract(broken)
