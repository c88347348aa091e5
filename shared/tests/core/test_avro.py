"""Every legal spelling is the same record; what no reader, not every reader, or no patient one takes has its reason."""

from decimal import Context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core import avro, contracts
from k2_shared.core.avro import DECIMAL_BYTES, MAP_ENTRIES, RECORD_BYTES
from k2_shared.core.columns import decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import WIRE_PREFIX_BYTES, Trade, decode
from k2_support.foreign import by_fastavro
from k2_support.records import SCHEMAS, encoded, fields, trade, trades, value
from k2_support.spellings import NAMED, PLAIN, Spelling, number, spellings, spelt

SCHEMA = contracts.trade_schema()
SAID = {"ord_type": "limit", "event_time": "1", "best_match": "true"}
OF = fields(trade(vendor_data=SAID))


def reason(data: bytes) -> str | None:
    """Why a record value is refused, None where it is not."""
    try:
        decode(data, SCHEMAS)
    except InvalidRecord as error:
        return error.reason
    return None


def with_field(name: str, piece: bytes, said: Any = OF) -> bytes:
    """A record value with other bytes for one field."""
    pieces = {field["name"]: PLAIN.piece(field["type"], said[field["name"]]) for field in SCHEMA["fields"]}
    return value(trade())[:WIRE_PREFIX_BYTES] + b"".join({**pieces, name: piece}.values())


def entries(count: int) -> bytes:
    """So many entries of a map, as short as they can be."""
    return b"\x00\x00" * count


@given(trades(), spellings())
def test_every_legal_spelling_is_the_same_record(of: Trade, spelling: Spelling) -> None:
    """To us and to fastavro; the columns call nothing plain that says anything else."""
    data = spelling.write(fields(of))
    assert decode(data, SCHEMAS) == fields(of) == by_fastavro(data)
    found = decode_columns([data], [of.key], SCHEMAS)
    if found.plain.all():
        unscaled = (int(of.price.scaleb(8)), int(of.quantity.scaleb(8)))
        assert (found.trade_id[0], found.price[0], found.quantity[0]) == (of.trade_id, *unscaled)


def test_the_plain_spelling_is_the_writers_and_no_other_is() -> None:
    """The generator of spellings writes what fastavro writes when it is told nothing."""
    assert PLAIN.write(OF) == encoded(OF)
    written = [data for _, data in spelt(trade(vendor_data=SAID))]
    assert len({*written, encoded(OF)}) == len(NAMED) + 1


@pytest.mark.parametrize("said", [None, {}, SAID, {f"key{n}": "value" for n in range(9)}, {"k": "x" * 100_000}])
@pytest.mark.parametrize("name", NAMED)
def test_a_spelling_is_judged_alike_whatever_the_vendor_says(name: str, said: dict[str, str] | None) -> None:
    """Few entries or many, short or long: the way in which a record is decoded decides nothing."""
    of = fields(trade(vendor_data=said))
    assert decode(NAMED[name].write(of), SCHEMAS) == of


NO_NUMBER = b"\x80" * 9 + b"\x02"
NOT_CANONICAL = {
    "a symbol from the end": with_field("side", b"\x01"),
    "a branch from the end": with_field("vendor_data", b"\x01" + PLAIN.piece(SCHEMA["fields"][-1]["type"], SAID)[1:]),
    "a symbol in six bytes": with_field("side", number(0, 6)),
    "a branch in six bytes": with_field("source_sequence", number(0, 6)),
    "a number with a bit too many": with_field("timestamp", NO_NUMBER),
    "a decimal without a byte": with_field("price", b"\x00"),
    "a block that says less than its size": with_field("vendor_data", b"\x02\x01\x02" + entries(1) + b"\x00"),
    "a block that says more than its size": with_field("vendor_data", b"\x02\x01\x06" + entries(1) + b"\x00"),
    "a block of a negative size": with_field("vendor_data", b"\x02\x01\x03" + entries(1) + b"\x00"),
}
UNDECODABLE = {
    "a symbol beyond the last": with_field("side", b"\x04"),
    "a symbol before the first": with_field("side", b"\x05"),
    "a branch beyond the last": with_field("source_sequence", b"\x04"),
    "a number of eleven bytes": with_field("timestamp", b"\x80" * 10 + b"\x00"),
    "a text of a negative length": with_field("symbol", b"\x01"),
    "a text that is longer than the record": with_field("symbol", number(2**62) + b"BTC/USD"),
    "a text that is no UTF-8": with_field("symbol", b"\x02\xff"),
    "a decimal that is longer than the record": with_field("price", number(2**62)),
    "a block of more entries than bytes": with_field("vendor_data", b"\x02" + number(2**62)),
    "a block of the most negative number": with_field("vendor_data", b"\x02" + number(-(2**63)) + b"\x00"),
}
OVERSIZED = {
    "a decimal of a byte too many": with_field("price", number(DECIMAL_BYTES + 1) + bytes(DECIMAL_BYTES + 1)),
    "a decimal of 900 KB": with_field("quantity", number(900_000) + b"\x7f" * 900_000),
    "an entry too many": with_field("vendor_data", b"\x02" + number(MAP_ENTRIES + 1) + entries(MAP_ENTRIES + 1)),
    "a map of 900 KB": with_field("vendor_data", b"\x02" + number(450_000) + entries(450_000) + b"\x00"),
    "blocks of 900 KB": with_field("vendor_data", b"\x02" + (b"\x02" + entries(1)) * 300_000 + b"\x00"),
    "a byte too many": value(trade()).ljust(RECORD_BYTES + 1, b"\x00"),
}
REFUSED = {"not_canonical": NOT_CANONICAL, "undecodable": UNDECODABLE, "oversized": OVERSIZED}
EVERY = [(why, data) for why, named in REFUSED.items() for data in named.values()]


@pytest.mark.timeout(120)  # one decimal of 900 KB takes minutes where it is decoded
@pytest.mark.parametrize(("why", "data"), EVERY, ids=[name for named in REFUSED.values() for name in named])
def test_what_is_refused_has_its_reason(why: str, data: bytes) -> None:
    """Alone and, since it is never plain, in a batch; the text names what is refused."""
    assert reason(data) == why
    assert decode_columns([data, value(trade())], [trade().key] * 2, SCHEMAS).plain.tolist() == [False, True]


@pytest.mark.parametrize("name", [name for name in NOT_CANONICAL if "six bytes" in name or "size" in name])
def test_what_is_not_canonical_would_be_read_by_some(name: str) -> None:
    """By fastavro, whose word alone is not enough to let it go on to other readers."""
    assert by_fastavro(NOT_CANONICAL[name])["trade_id"] == str(trade().trade_id)


def test_a_refusal_names_the_field() -> None:
    """And what was given and is allowed."""
    with pytest.raises(InvalidRecord, match=r"oversized: price: a decimal of 33 bytes, allowed are 32"):
        decode(OVERSIZED["a decimal of a byte too many"], SCHEMAS)


@pytest.mark.parametrize("count", [1, MAP_ENTRIES])
def test_as_much_as_is_allowed_is_read(count: int) -> None:
    """The widest decimal and the largest map, which a rule of silver may refuse for what they say."""
    said = {str(n): "" for n in range(count)}
    found = decode(Spelling(signs=DECIMAL_BYTES - 6).write({**OF, "vendor_data": said}), SCHEMAS)
    assert (found["price"], found["vendor_data"]) == (OF["price"], said)
    widest = decode(with_field("price", number(DECIMAL_BYTES) + b"\x7f" + b"\xff" * (DECIMAL_BYTES - 1)), SCHEMAS)
    assert int(widest["price"].scaleb(8, Context(prec=3 * DECIMAL_BYTES))) == 2 ** (8 * DECIMAL_BYTES - 1) - 1


def test_of_a_key_that_comes_twice_the_last_value_counts() -> None:
    """As fastavro and Java have it, in one block and in two."""
    pair = [PLAIN.piece("string", text) for text in ("k", "1", "k", "2")]
    for data in (b"\x02\x04" + b"".join(pair), b"\x02\x02" + b"".join(pair[:2]) + b"\x02" + b"".join(pair[2:])):
        twice = with_field("vendor_data", data + b"\x00")
        assert decode(twice, SCHEMAS) == by_fastavro(twice)
        assert decode(twice, SCHEMAS)["vendor_data"] == {"k": "2"}


@given(
    st.sampled_from([encoded(OF), *(data for _, data in spelt(trade(vendor_data=SAID)))]),
    st.lists(st.tuples(st.integers(5, 80), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_what_we_read_fastavro_reads_alike(data: bytes, edits: list[tuple[int, int]]) -> None:
    """Whatever the bytes: a record is the same to both, or it is refused."""
    changed = bytearray(data)
    for at, byte in edits:
        changed[at] = byte
    if reason(bytes(changed)) is None:
        assert decode(bytes(changed), SCHEMAS) | DECIMALS == by_fastavro(bytes(changed)) | DECIMALS


DECIMALS = {"price": None, "quantity": None}  # fastavro rounds what has more digits than the schema says


def test_a_schema_that_is_not_read_is_an_error() -> None:
    """At once, and not at the first record."""
    with pytest.raises(ValueError, match="no reader of the Avro type 'double'"):
        avro.reader({"fields": [{"name": "price", "type": "double"}]})


def test_a_record_may_be_as_large_as_the_topics_of_trades_allow() -> None:
    """The bound is the contracts'."""
    avro_topics = [topic for topic in contracts.topics().values() if topic.value_format == "avro"]
    assert {topic.max_message_bytes for topic in avro_topics} == {RECORD_BYTES}
