"""Decoded by column or alone, a trade's row says cell by cell what fastavro reads, and what is none is told."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.arrow import trades as module
from k2_shared.arrow.trades import TRADE_ROWS, column, decode_trades, decode_values, validated_trades
from k2_shared.core import contracts
from k2_shared.core.errors import Halt
from k2_shared.core.layout import TRADE_FIELDS, lay_out
from k2_shared.core.trade import Schemas, readable
from k2_support.foreign import by_fastavro
from k2_support.records import (
    ADDED,
    SCHEMAS,
    FakeRecord,
    encoded,
    fields,
    newer_schema,
    older_schema,
    trade,
    trade_fields,
    value,
    with_exchanges,
)
from k2_support.spellings import NAMED, PLAIN, Spelling, spellings

GOOD = value(trade())
TOY_ID = 8
TOY = with_exchanges("TOY", "BINANCE", "KRAKEN")
BOTH: Schemas = {**SCHEMAS, TOY_ID: readable(TOY), 9: None}
MOST = Decimal(10**18 - 1).scaleb(-8)


def cells(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as a reader of Avro has them: times as int64, maps as dicts, no key of which comes twice."""
    assert rows.schema == TRADE_ROWS
    longs = [field.with_type(pa.int64()) if pa.types.is_timestamp(field.type) else field for field in rows.schema]
    found: list[dict[str, Any]] = rows.cast(pa.schema(longs)).to_pylist()
    for row in found:
        if (pairs := row["vendor_data"]) is not None:
            row["vendor_data"] = dict(pairs)
            assert len(row["vendor_data"]) == len(pairs)
    return found


def _written(said: Mapping[str, Any], spelling: Spelling | None, *, new: bool) -> tuple[bytes, Any]:
    """A record value, and what fastavro reads of it."""
    if spelling:
        return (data := spelling.write(said)), by_fastavro(data)
    schema, schema_id = (TOY, TOY_ID) if new else (contracts.trade_schema(), next(iter(SCHEMAS)))
    data = encoded(said, schema_id, schema)
    return data, by_fastavro(data, schema)


@given(st.lists(st.tuples(trade_fields(), st.none() | spellings(), st.booleans()), max_size=8))
def test_rows_are_what_fastavro_reads(records: list[tuple[dict[str, Any], Spelling | None, bool]]) -> None:
    """Whatever the fields say, in whichever spelling, of either schema, side by side and in their order."""
    written = [_written(said, spelling, new=new) for said, spelling, new in records]
    found = decode_values([data for data, _ in written], BOTH)
    assert not found.refused
    assert cells(found.rows) == [read for _, read in written]


@given(st.lists(st.tuples(st.integers(5, 80), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_record_is_read_as_fastavro_reads_it_or_refused(edits: list[tuple[int, int]]) -> None:
    """And the rows around it are as they were."""
    changed = bytearray(GOOD)
    for at, byte in edits:
        changed[at] = byte
    found = decode_values([GOOD, bytes(changed), GOOD], SCHEMAS)
    good = by_fastavro(GOOD)
    assert cells(found.rows) == ([good, good] if found.refused else [good, by_fastavro(bytes(changed)), good])
    assert set(found.refused) <= {1}


def test_ordinary_trades_are_decoded_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them alone, which takes ten times as long: with the vendor data of each venue, with none, or empty."""

    def alone(*given: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr(module, "decode", alone)
    said = [{"event_time": "1", "best_match": "true"}, {"ord_type": "limit"}, None, {}, {"é": "币安人生"}]
    given_trades = [trade(vendor_data=each, symbol=symbol) for each in said for symbol in ("BTC/USD", "币安人生/USDT")]
    found = decode_values([value(each) for each in given_trades], SCHEMAS)
    assert cells(found.rows) == [by_fastavro(value(each)) for each in given_trades]


UNUSUAL = {
    "nine entries": value(trade(vendor_data={f"key{n}": "value" for n in range(9)})),
    "keys that begin alike": value(trade(vendor_data={"beginning1": "1", "beginning2": "2", "": "3"})),
    "the widest decimals": encoded({**fields(trade()), "price": MOST, "quantity": -MOST}),
    "no sequence": encoded({**fields(trade()), "source_sequence": None}),
    "empty texts": encoded({**fields(trade()), "message_id": "", "trade_id": "", "symbol": "", "currency": ""}),
    "another exchange": encoded({**fields(trade()), "exchange": "BINANCE"}),
    **{name: spelling.write(fields(trade())) for name, spelling in NAMED.items()},
}


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_record_is_the_row_that_fastavro_reads(data: bytes) -> None:
    """Alone and between others."""
    good = by_fastavro(GOOD)
    assert cells(decode_values([data], SCHEMAS).rows) == [by_fastavro(data)]
    assert cells(decode_values([GOOD, data, GOOD], SCHEMAS).rows) == [good, by_fastavro(data), good]


@pytest.mark.parametrize("key", ["k", "", "a long key"])
def test_of_a_key_that_comes_twice_the_last_value_counts(key: str) -> None:
    """As in every reader, though the map is laid out like any other."""
    once, other = (PLAIN.piece("string", text) for text in (key, f"{key}~"))
    data = encoded({**fields(trade()), "vendor_data": {key: "1", "between": "x", f"{key}~": "some more"}})
    twice = data.replace(other, once)
    assert cells(decode_values([twice], SCHEMAS).rows) == [by_fastavro(twice)]
    assert by_fastavro(twice)["vendor_data"] == {key: "some more", "between": "x"}


def _unscaled(name: str, number: int) -> bytes:
    return encoded({**fields(trade()), name: Decimal(number).scaleb(-8)})


REFUSED: list[tuple[bytes | None, str]] = [
    (None, "null_value"),
    (b"", "bad_magic"),
    (GOOD[:-1], "undecodable"),
    (GOOD + b"\x00", "trailing_bytes"),
    (GOOD.replace(b"limit", b"lim\xff\xff"), "undecodable"),
    (GOOD.replace(b"ord_type", b"ord_typ\xff"), "undecodable"),
    (GOOD.replace(b"BTC", b"BT\xff"), "undecodable"),
    (b"\x00\x00\x00\x00\x09" + GOOD[5:], "unreadable_schema"),
    (b"\x00\x00\x00\x00\x0a" + GOOD[5:], "unknown_schema"),
    *((_unscaled(name, sign * 10**18), "decimal_overflow") for name in ("price", "quantity") for sign in (1, -1)),
    (_unscaled("price", -(2**63)), "decimal_overflow"),
    (_unscaled("price", 2**64), "decimal_overflow"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED)
def test_what_cannot_be_decoded_is_told_by_its_number(data: bytes | None, reason: str) -> None:
    """And the rows around it are as they were."""
    found = decode_values([GOOD, data, GOOD], BOTH)
    assert {number: error.reason for number, error in found.refused.items()} == {1: reason}
    assert cells(found.rows) == [by_fastavro(GOOD)] * 2


def test_each_topic_has_its_own_schemas() -> None:
    """The numbers of what is refused are those of the whole batch, in which topics come in any order."""
    new = encoded(fields(trade()), TOY_ID, TOY)
    values = {"silver": [GOOD, new, GOOD], "gold": [new, GOOD]}
    batch = [FakeRecord(trade().key, data, topic) for topic in ("silver", "gold", "silver") for data in values[topic]]
    found = decode_trades(batch, {"silver": SCHEMAS, "gold": {TOY_ID: readable(TOY)}})
    assert {number: error.reason for number, error in found.refused.items()} == dict.fromkeys(
        (1, 4, 6), "unknown_schema"
    )
    assert cells(found.rows) == [by_fastavro(GOOD)] * 5


def test_an_empty_batch_has_no_rows() -> None:
    """But all columns."""
    found = decode_trades([], {})
    assert (found.rows.num_rows, found.rows.schema, found.refused) == (0, TRADE_ROWS, {})


def test_columns_are_the_contracts() -> None:
    """Exact decimals, moments in UTC, and a map that may be null."""
    types: Sequence[tuple[str, str]] = [(field.name, str(field.type)) for field in TRADE_ROWS]
    assert [name for name, _ in types] == [field["name"] for field in contracts.trade_schema()["fields"]]
    assert (
        dict(types).items()
        >= {
            "price": "decimal128(18, 8)",
            "timestamp": "timestamp[us, tz=UTC]",
            "vendor_data": "map<large_string, large_string>",
        }.items()
    )


def test_records_of_an_older_contract_are_decoded_by_column_too() -> None:
    """What they lack is null, side by side with records that have it."""
    older = encoded(fields(trade()), 8, older_schema())
    found = decode_values([older, GOOD, older], {**SCHEMAS, 8: readable(older_schema())})
    missing = {**fields(trade()), "vendor_data": None}
    assert cells(found.rows) == [missing, fields(trade()), missing]


def test_a_text_that_may_be_null_is_a_column() -> None:
    """Null, empty, or said."""
    values = [encoded({**fields(trade()), "fee": said}, 8, newer_schema()) for said in ("0.1", None, "币")] + [GOOD]
    found = lay_out(values, {**SCHEMAS, 8: readable(newer_schema())}, [*TRADE_FIELDS, ("fee", ADDED["type"])])
    assert column(found, np.arange(4), "fee", ADDED["type"]).to_pylist() == ["0.1", None, "币", None]


def test_a_row_that_would_lack_what_is_not_known_here_halts() -> None:
    """By its place; a schema that nobody has used yet is no harm, and rows that keep the value whole are made."""
    schemas = {"topic": {**SCHEMAS, 8: readable(newer_schema())}}
    newer = encoded({**fields(trade()), "fee": "0.1"}, 8, newer_schema())
    batch = [FakeRecord(b"", each, "topic", 3, offset) for offset, each in enumerate((GOOD, newer), 41)]
    assert cells(validated_trades(batch[:1], schemas)) == [fields(trade())]
    assert cells(decode_trades(batch, schemas).rows) == [fields(trade())] * 2
    with pytest.raises(Halt, match=r"topic\[3\]@42 has fields that this version does not know \(fee\)"):
        validated_trades(batch, schemas)
