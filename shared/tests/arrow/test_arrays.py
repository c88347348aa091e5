"""Arrays made of buffers hold what the same values make one by one."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.arrow.arrays import TEXT, TEXT_MAP, chosen, days, decimals, hours, text_maps, texts, times
from k2_shared.core.layout import Bytes, Entries, Span

LONG = st.integers(-(2**63), 2**63 - 1)
DAY_US = 86_400_000_000


def strewn(said: Sequence[str], between: bytes = b"\xff") -> tuple[Bytes, Span]:
    """Texts one after the other, with what is no text between them."""
    pieces = [text.encode() for text in said]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    start = np.cumsum(lengths + len(between)) - lengths
    return np.frombuffer(b"".join(between + piece for piece in pieces) + between, np.uint8), (start, lengths)


@given(st.lists(st.text(max_size=10)))
def test_texts_are_taken_from_where_they_stand(said: list[str]) -> None:
    """Empty ones and none at all included; what stands between them does not matter."""
    found = texts(*strewn(said))
    assert (found.type, found.to_pylist()) == (TEXT, said)


def test_a_text_that_is_no_utf8_is_refused() -> None:
    """Also half a character beside its other half."""
    data, lengths = np.frombuffer("é".encode(), np.uint8), np.array([1, 1])
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        texts(data, (np.array([0, 1]), lengths))


@given(st.lists(st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3)))
def test_maps_are_taken_from_where_their_texts_stand(said: list[dict[str, str] | None]) -> None:
    """Null is not empty."""
    most = max((len(each or {}) for each in said), default=0)
    pairs = [[*(each or {}).items()] for each in said]
    flat = [text for of in pairs for pair in of + [("", "")] * (most - len(of)) for text in pair]
    data, (start, length) = strewn(flat)
    shape = (len(said), most, 2)
    starts, lengths = start.reshape(shape), length.reshape(shape)
    keys, values = ([(starts[:, n, of], lengths[:, n, of]) for n in range(most)] for of in (0, 1))
    entries = Entries(np.array([len(of) for of in pairs], np.int64), list(zip(keys, values, strict=True)))
    found = text_maps(data, entries, np.array([each is not None for each in said], np.bool_))
    assert found.type == TEXT_MAP
    assert found.to_pylist() == [None if each is None else list(each.items()) for each in said]


@given(st.lists(LONG))
def test_decimals_are_exact(unscaled: list[int]) -> None:
    """Every number of 64 bits, with its sign."""
    found = decimals(np.array(unscaled, np.int64), pa.decimal128(19, 8))
    assert found.to_pylist() == [Decimal(number).scaleb(-8) for number in unscaled]


@given(st.lists(LONG))
def test_days_and_hours_are_those_of_utc(moments: list[int]) -> None:
    """Before the epoch, and as far as 64 bits go."""
    found = times(np.array(moments, np.int64))
    assert found.cast(pa.int64()).to_pylist() == moments
    assert days(found).cast(pa.int32()).to_pylist() == [moment // DAY_US for moment in moments]
    assert hours(pa.chunked_array([found])).to_pylist() == [moment // (DAY_US // 24) % 24 for moment in moments]


def test_of_few_names_each_row_has_one() -> None:
    """By its number."""
    assert chosen(["BUY", "SELL"], np.array([1, 0, 1])).to_pylist() == ["SELL", "BUY", "SELL"]
