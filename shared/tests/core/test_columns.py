"""Decoding by column says of every plain row what decoding it alone says, and calls ordinary trades plain."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k2_shared.core.columns import TradeColumns, decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import decode, readable
from k2_support.records import SCHEMA_ID, SCHEMAS, encoded, fields, trade, trades, value, with_exchanges

GOOD = value(trade())
ORDINARY = trades().filter(lambda t: t.trade_id < 10**18 and _short_text(t.vendor_data or {}))
SYMBOLS = ["BTC/USDT", "币安人生/USDT", "AAPLx/USD", "ETH2.S/ETH", "\U0001d538" * 38 + "/\u20ac"]


def _short_text(said: Any) -> bool:
    return all(len(text.encode()) < 64 for pair in said.items() for text in pair)


def columns(*values: bytes | None, key: bytes = trade().key) -> TradeColumns:
    return decode_columns(values, [key] * len(values), SCHEMAS)


@given(st.lists(ORDINARY, max_size=20))
def test_ordinary_trades_are_plain_and_exact(given_trades: list[Any]) -> None:
    """Ids, times, unscaled decimals and sides are those of the trades, several symbols in one batch."""
    found = decode_columns([value(t) for t in given_trades], [t.key for t in given_trades], SCHEMAS)
    assert found.plain.all()
    assert [found.symbols[code] for code in found.symbol] == [t.key for t in given_trades]
    assert found.trade_id.tolist() == [t.trade_id for t in given_trades]
    assert found.timestamp.tolist() == [t.timestamp for t in given_trades]
    assert found.price.tolist() == [int(t.price.scaleb(8)) for t in given_trades]
    assert found.quantity.tolist() == [int(t.quantity.scaleb(8)) for t in given_trades]
    assert found.side.tolist() == [("BUY", "SELL").index(t.side) for t in given_trades]


def _same(found: TradeColumns, row: int, data: bytes, key: bytes) -> None:
    """A plain row against the record decoded alone."""
    alone = decode(data, SCHEMAS)
    message_id = f"{key.decode()}:{found.trade_id[row]}"
    assert (alone["message_id"], alone["trade_id"]) == (message_id, str(found.trade_id[row]))
    assert f"{alone['exchange']}:{alone['symbol']}".encode() == key
    assert alone["currency"] == alone["symbol"].partition("/")[2]
    assert alone["source_sequence"] == found.trade_id[row]
    assert alone["timestamp"] == found.timestamp[row]
    assert alone["price"] == Decimal(int(found.price[row])).scaleb(-8)
    assert alone["quantity"] == Decimal(int(found.quantity[row])).scaleb(-8)
    assert alone["side"] == ("BUY", "SELL")[found.side[row]]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A trade with some bytes changed, cut off, put in or appended."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["change", "cut", "insert", "append"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[max(at, 1) :]
            case "insert":
                data[at:at] = draw(st.binary(max_size=4))
            case _:
                data += draw(st.binary(min_size=1, max_size=12))
    return bytes(data)


@settings(max_examples=400)
@given(st.lists(damaged() | st.binary(max_size=150) | st.just(GOOD), min_size=1, max_size=8))
def test_a_plain_row_is_what_decoding_it_alone_says(values: list[bytes]) -> None:
    """Whatever stands in a batch, no row is taken for more than it is, and no row disturbs another."""
    found = columns(*values)
    for row, data in enumerate(values):
        if found.plain[row]:
            _same(found, row, data, trade().key)
        if data == GOOD:
            assert found.plain[row]


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        GOOD[:5],
        GOOD[:-1],
        GOOD + b"\x00",
        GOOD + GOOD,
        value(trade(), SCHEMA_ID + 1),
        b"\x00\x00\x00\x00\x07" + b"\xff" * 200,
        value(trade(vendor_data={f"key{n}": "value" for n in range(9)})),
        encoded({**fields(trade()), "source_sequence": None}),
        encoded({**fields(trade()), "source_sequence": 1}),
        encoded({**fields(trade()), "trade_id": "0"}),
        encoded({**fields(trade()), "trade_id": "010218208"}),
        encoded({**fields(trade()), "message_id": "KRAKEN:BTC/USDT:10218209"}),
        encoded({**fields(trade()), "symbol": "BTC/USDC"}),
        encoded({**fields(trade()), "currency": "USDC"}),
        encoded({**fields(trade()), "exchange": "BINANCE"}),
    ],
)
def test_what_is_not_ordinary_is_left_to_be_decoded_alone(data: bytes | None) -> None:
    """The row is marked; those around it are not."""
    assert columns(GOOD, data, GOOD).plain.tolist() == [True, False, True]


@given(st.lists(st.sampled_from(SYMBOLS), max_size=12), st.sampled_from(["", "\u00e9", "人生", "\U0001d538"]))
def test_symbols_of_any_script_are_plain(symbols: list[str], said: str) -> None:
    """Beside each other in one batch, with vendor data in any script; no character of a symbol is too long."""
    given_trades = [trade(symbol=symbol, vendor_data={"k" + said: said}) for symbol in symbols]
    found = decode_columns([value(t) for t in given_trades], [t.key for t in given_trades], SCHEMAS)
    assert found.plain.all()
    for row, of in enumerate(given_trades):
        _same(found, row, value(of), of.key)


NO_TEXT = [b"\xff", b"\xc3", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]


@pytest.mark.parametrize("broken", NO_TEXT)
def test_what_is_no_utf8_is_not_plain(broken: bytes) -> None:
    """Decoded alone it is refused, and so it is left to that: in the vendor data, or in symbol and key alike."""
    marker = "#" * len(broken)
    said = value(trade(vendor_data={"k": f"\u00e9{marker}"})).replace(marker.encode(), broken)
    of = trade(symbol=f"\u00e9{marker}/USDT")
    symbol, key = (data.replace(marker.encode(), broken) for data in (value(of), of.key))
    good = trade(symbol="币安人生/USDT", vendor_data={"k": "\u00e9"})
    found = decode_columns([said, value(good), symbol, GOOD], [trade().key, good.key, key, trade().key], SCHEMAS)
    assert found.plain.tolist() == [False, True, False, True]
    for data in (said, symbol):
        with pytest.raises(InvalidRecord, match="undecodable"):
            decode(data, SCHEMAS)


@pytest.mark.parametrize("around", [(), (GOOD,)])
def test_no_beginning_of_a_trade_is_plain(around: tuple[bytes, ...]) -> None:
    """Wherever a record is cut, alone or as the last of a batch, what follows it in memory does not complete it."""
    for length in range(len(GOOD)):
        found = columns(*around, GOOD[:length])
        assert found.plain.tolist() == [True] * len(around) + [False]


@pytest.mark.parametrize("of", ["exchange", "side"])
def test_an_enum_below_zero_or_beyond_its_symbols_is_not_plain(of: str) -> None:
    """Both enums are one byte here; every other byte than their two symbols' is refused."""
    symbols = ("BINANCE", "KRAKEN") if of == "exchange" else ("BUY", "SELL")
    one, two = (encoded({**fields(trade()), of: symbol}) for symbol in symbols)
    (at,) = (place for place, (a, b) in enumerate(zip(one, two, strict=True)) if a != b)
    variants = [one[:at] + bytes([byte]) + one[at + 1 :] for byte in range(128) if byte not in (one[at], two[at])]
    assert not columns(*variants).plain.any()


@pytest.mark.parametrize(
    "key", [b"", b"KRAKEN", b"KRAKEN:BTC/USD", b"BITMEX:BTC/USDT", b"\xff\xfe", b"BINANCE:BTC/USDT"]
)
def test_a_record_under_another_key_is_not_plain(key: bytes) -> None:
    """The key is part of what must agree."""
    assert not columns(GOOD, key=key).plain.any()


def test_an_empty_batch_is_an_empty_batch() -> None:
    """No rows, no symbols, no error."""
    found = decode_columns([], [], SCHEMAS)
    assert (len(found.plain), list(found.symbols)) == (0, [])


def test_a_negative_decimal_keeps_its_sign() -> None:
    """Rules decide about it, the decoding does not."""
    found = columns(encoded({**fields(trade()), "price": Decimal("-0.00000001")}))
    assert (found.plain.tolist(), found.price.tolist()) == ([True], [-1])


def test_what_is_not_plain_can_still_be_decoded_alone_or_is_refused() -> None:
    """The two paths together know every value: one by one is the reference."""
    rare = encoded({**fields(trade()), "source_sequence": None})
    assert not columns(rare).plain.any()
    assert decode(rare, SCHEMAS)["trade_id"] == str(trade().trade_id)
    with pytest.raises(InvalidRecord):
        decode(GOOD[:-1], SCHEMAS)
    assert np.array_equal(columns(GOOD, rare).trade_id[:1], columns(GOOD).trade_id)


TOY = with_exchanges("BINANCE", "TOY", "KRAKEN")


@given(st.lists(st.tuples(ORDINARY, st.booleans()), max_size=20))
def test_records_of_several_schemas_are_plain_side_by_side(given_trades: list[tuple[Any, bool]]) -> None:
    """Each is read by the enum of its own schema: in a batch of both, and in a batch of one."""
    schemas = {**SCHEMAS, 8: readable(TOY), 9: None}
    values = [encoded(fields(t), 8, TOY) if new else value(t) for t, new in given_trades]
    keys = [t.key for t, _ in given_trades]
    found = decode_columns(values, keys, schemas)
    assert found.plain.all()
    assert found.trade_id.tolist() == [t.trade_id for t, _ in given_trades]


def test_an_exchange_that_only_a_newer_schema_has_is_plain_in_that_one() -> None:
    """The number of another schema's exchange, or of none, is not."""
    toy = trade(exchange="TOY")
    said = [encoded({**fields(trade()), "exchange": "TOY", "message_id": toy.message_id}, 8, TOY), GOOD, GOOD, None]
    said[2] = b"\0\0\0\0\x08" + GOOD[5:]
    keys = [toy.key, trade().key, trade().key, trade().key]
    assert decode_columns(said, keys, {**SCHEMAS, 8: readable(TOY)}).plain.tolist() == [True, True, False, False]
    assert decode_columns(said, keys, SCHEMAS).plain.tolist() == [False, True, False, False]
    assert not decode_columns(said, keys, {}).plain.any()
