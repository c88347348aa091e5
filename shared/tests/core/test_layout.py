"""The layout of a batch says of every plain row what decoding it alone says, and calls ordinary layouts plain."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core import contracts
from k2_shared.core.avro import RECORD_BYTES
from k2_shared.core.layout import TRADE_FIELDS, Layout, Span, is_text, lay_out, words
from k2_shared.core.trade import decode, readable
from k2_support.records import (
    ADDED,
    SCHEMAS,
    encoded,
    fields,
    newer_schema,
    trade,
    trade_fields,
    value,
    with_exchanges,
)

GOOD = value(trade())
FIELDS = {field["name"]: field["type"] for field in contracts.trade_schema()["fields"]}


def _text(found: Layout, span: Span, row: int) -> str:
    start, length = span
    return found.data[start[row] :][: length[row]].tobytes().decode()


def said(found: Layout, row: int) -> dict[str, Any]:
    """A row's fields as they are decoded."""
    return {name: _said(found, name, kind, row) for name, kind in FIELDS.items()}


def _said(found: Layout, name: str, kind: Any, row: int) -> Any:
    if name in found.present and not found.present[name][row]:
        return None
    if entries := found.maps.get(name):
        return dict(tuple(_text(found, span, row) for span in pair) for pair in entries.texts[: entries.counts[row]])
    if name in found.places:
        return _text(found, found.places[name], row)
    number = int(found.numbers[name][row])
    match kind:
        case {"logicalType": "decimal", "scale": scale}:
            return Decimal(number).scaleb(-scale)
        case {"symbols": symbols}:
            return (found.writers[found.writer[row]].exchanges if name == "exchange" else symbols)[number]
    return number


@given(st.lists(trade_fields(), max_size=8))
def test_what_is_laid_out_as_usual_is_plain_and_says_what_decoding_says(given_fields: list[dict[str, Any]]) -> None:
    """Whether or not the fields agree, with nulls, empty texts and negative decimals side by side."""
    values = [encoded(each) for each in given_fields]
    found = lay_out(values, SCHEMAS)
    assert found.plain.all()
    assert [said(found, row) for row in range(len(values))] == [decode(data, SCHEMAS) for data in values]


def test_every_field_of_the_contract_is_laid_out() -> None:
    """As a text, a number or a map, whichever its type is."""
    found = lay_out([GOOD], SCHEMAS)
    assert {*found.places, *found.numbers} == set(FIELDS)
    assert set(found.maps) == {"vendor_data"}
    assert set(found.present) == {"source_sequence", "vendor_data"}


def test_exchanges_are_numbers_of_the_rows_own_schema() -> None:
    """Side by side, of which the first stands for most."""
    toy = with_exchanges("TOY", "KRAKEN")
    values = [encoded(fields(trade()), 8, toy), GOOD]
    found = lay_out(values, {**SCHEMAS, 8: readable(toy), 9: None})
    assert [said(found, row)["exchange"] for row in range(2)] == ["KRAKEN", "KRAKEN"]
    assert found.numbers["exchange"].tolist() == [1, 1]
    assert [found.writers[number].exchanges[0] for number in found.writer] == ["TOY", "BINANCE"]


def test_a_field_that_a_records_schema_lacks_is_absent() -> None:
    """Beside records that have it, or have it null; all are plain."""
    values = [encoded({**fields(trade()), "fee": said}, 8, newer_schema()) for said in ("0.1", None, "")] + [GOOD]
    schemas = {**SCHEMAS, 8: readable(newer_schema())}
    found = lay_out(values, schemas, [*TRADE_FIELDS, ("fee", ADDED["type"])])
    assert found.plain.all()
    assert found.present["fee"].tolist() == [True, False, True, False]
    start, length = found.places["fee"]
    assert [bytes(found.data[at : at + count]) for at, count in zip(start, length, strict=True)] == [
        b"0.1",
        b"",
        b"",
        b"",
    ]
    assert said(found, 3) == fields(trade())


def test_a_field_that_is_not_known_is_not_plain() -> None:
    """Whoever decodes it alone passes over it."""
    data = encoded({**fields(trade()), "fee": "0.1"}, 8, newer_schema())
    assert lay_out([GOOD, data], {**SCHEMAS, 8: readable(newer_schema())}).plain.tolist() == [True, False]


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        GOOD[:-1],
        GOOD + b"\x00",
        b"\x00\x00\x00\x00\x09" + GOOD[5:],
        value(trade(vendor_data={f"key{n}": "value" for n in range(9)})),
        encoded({**fields(trade()), "price": Decimal(2**63).scaleb(-8)}),
        value(trade(vendor_data={"k": "x" * RECORD_BYTES})),
    ],
)
def test_another_layout_is_not_plain_and_disturbs_nobody(data: bytes | None) -> None:
    """Broken, or only unusual; the rows around it are as they were."""
    found = lay_out([GOOD, data, GOOD], SCHEMAS)
    assert found.plain.tolist() == [True, False, True]
    assert said(found, 0) == said(found, 2) == decode(GOOD, SCHEMAS)


def test_words_are_read_to_the_last_byte() -> None:
    """Big-endian, at any place."""
    data = np.frombuffer(b"\x00" * 8 + b"\xff" * 7 + b"\xfe", np.uint8)
    assert words(data, np.array([0, 1, 8])).tolist() == [0, 255, -2]


def test_text_is_utf8() -> None:
    """As every reader of Avro has it."""
    assert is_text("币安人生".encode())
    assert not is_text(b"\xff")
