"""Which records ``k2 tail`` shows, and how it decodes them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from k2.tail.decoding import described
from k2.tail.selection import Selection, Start
from k2.tail.where import check_fields, condition
from k2_shared.core.errors import ConfigError
from k2_shared.core.trade import wire_prefix
from k2_support.records import ORIGIN, FakeRecord, trade, value

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TRADE = {"price": "100.50", "side": "BUY", "trade_id": "17", "vendor_data": {"ord_type": "limit"}, "none": None, "n": 3}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("price > 100", True),
        ("price > 100.5", False),
        ("100.50 == price", True),
        ("price <= 100.5 and side == 'BUY'", True),
        ("side == 'SELL' or trade_id == 17", True),
        ("not side == 'SELL'", True),
        ("side != 'BUY'", False),
        ("vendor_data.ord_type == 'limit'", True),
        ("vendor_data.ord_type.x == 'limit'", False),
        ("'lim' in vendor_data.ord_type", True),
        ("none == None", True),
        ("n >= -3", True),
        ("n < 'abc'", False),
        ("side > 5", False),
        ("absent == 1", False),
        ("not absent == 1", True),
    ],
)
def test_a_condition_compares_fields_with_constants(expression: str, holds: bool) -> None:
    """Numbers by their value, also where a trade has them as text; what is not there or not alike matches nothing."""
    assert condition(expression)(TRADE) is holds
    assert condition(expression.replace("none", "absent"))("no object") in (False, expression.startswith("not"))


@pytest.mark.parametrize(
    "expression",
    ["", "price >", "price", "import os", "f(price)", "price > 1 > 0", "price + 1 > 2", "[1] == price", "a; b"],
)
def test_what_is_no_condition_is_refused(expression: str) -> None:
    """The line shows one."""
    with pytest.raises(ConfigError, match="price > 100 and side == 'BUY'"):
        condition(expression)


def test_a_field_that_no_value_has_is_refused_with_the_one_that_may_be_meant() -> None:
    """Else a misspelt one would look as if there were no such record."""
    check_fields("price > 3 and not vendor_data.ord_type == 'limit'", ["price", "vendor_data"])
    with pytest.raises(ConfigError, match="no value has a field 'prise': price may be meant: there are price"):
        check_fields("side == 'BUY' or prise > 3", ["price", "side"])
    with pytest.raises(ConfigError, match="no value has a field 'x': there are price"):
        check_fields("x == 1", ["price"])


def test_a_time_takes_no_older_record_and_an_offset_takes_any() -> None:
    """The broker's answer to a time may be the end of a transaction, after which older records were written."""
    assert [Start(time_ms=5).takes(FakeRecord(b"", b"", timestamp=at)) for at in (4, 5, 6)] == [False, True, True]
    assert Start(offset=5).takes(FakeRecord(b"", b"", timestamp=0))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("1200", Start(offset=1_200)),
        ("1970-01-01T00:00:02Z", Start(time_ms=2_000)),
        ("1970-01-01T00:00:02", Start(time_ms=2_000)),
        ("1970-01-01T02:00:02+02:00", Start(time_ms=2_000)),
        ("15m", Start(time_ms=int(NOW.timestamp() * 1e3) - 900_000)),
        ("1d", Start(time_ms=int(NOW.timestamp() * 1e3) - 86_400_000)),
    ],
)
def test_a_start_is_an_offset_a_time_or_an_age(text: str, start: Start) -> None:
    """A time without a zone is UTC."""
    assert Start.parse(text, NOW) == start


@pytest.mark.parametrize("text", ["", "soon", "15x", "m", "-5", "2026-13-01", "9999999999999d"])
def test_what_is_no_start_is_refused(text: str) -> None:
    """The line shows all three."""
    with pytest.raises(ConfigError, match=r"an offset .* a time .* an age"):
        Start.parse(text, NOW)


def test_a_symbol_is_meant_at_one_exchange_or_at_all() -> None:
    """By the record's key; a key must be the very same."""
    found = FakeRecord(b"KRAKEN:BTC/USD", b"", "t")
    assert Selection(symbol="BTC/USD").takes_record(found)
    assert Selection(symbol="KRAKEN:BTC/USD").takes_record(found)
    assert not Selection(symbol="BINANCE:BTC/USD").takes_record(found)
    assert Selection(key="KRAKEN:BTC/USD").takes_record(found)
    assert not Selection(key="BTC/USD").takes_record(found)
    assert not Selection(symbol="BTC/USD").takes_record(FakeRecord(None, b"", "t"))
    assert Selection(where=condition("n == 3")).takes_value({"n": 3})
    assert not Selection(where=condition("n == 3")).takes_value({"n": 4})


def test_a_trade_is_shown_with_its_origin_in_words() -> None:
    """Decimals are text, times ISO 8601."""
    headers = (("k2-origin", ORIGIN.pack()), ("note", b"hello"))
    record = FakeRecord(trade().key, value(trade(), 5), "t", partition=3, offset=7, timestamp=1_500, headers=headers)
    shown = described(record, "avro")
    assert (shown["topic"], shown["partition"], shown["offset"], shown["key"]) == ("t", 3, 7, trade().key.decode())
    assert shown["time"] == "1970-01-01T00:00:01.500000+00:00"
    assert shown["value"]["price"] == f"{trade().price:.8f}"
    assert shown["value"]["message_id"] == trade().message_id
    assert shown["headers"]["note"] == "hello"
    assert shown["headers"]["k2-origin"]["frame"] == ORIGIN.frame_number
    assert shown["headers"]["k2-origin"]["source"] == ORIGIN.source.name.lower()


@pytest.mark.parametrize(
    ("held", "value_format", "shown"),
    [
        (None, "avro", None),
        (b'{"a": 1}', "json", {"a": 1}),
        (b'["frame", 1]', "raw", ["frame", 1]),
        (b"plain text", "raw", "plain text"),
        (b"\xff\x01", "raw", "0xff01"),
        (b"a\x07", "json", "0x6107"),
    ],
)
def test_a_value_is_shown_as_what_it_is(held: bytes | None, value_format: Any, shown: Any) -> None:
    """JSON, text, or hexadecimal digits."""
    assert described(FakeRecord(b"k", held, "t"), value_format)["value"] == shown


def test_what_cannot_be_decoded_says_why() -> None:
    """With every byte that it has, also in a topic of dead letters."""
    cut = value(trade(), 5)[:-3]
    for value_format in ("avro", "raw"):
        shown = described(FakeRecord(b"k", cut, "t", headers=(("k2-origin", b"x"),)), value_format)  # type: ignore[arg-type]
        assert shown["value"]["hex"] == cut.hex()
        assert "undecodable" in shown["value"]["undecodable"]
        assert "not an origin header" in shown["headers"]["k2-origin"]["unreadable"]
    assert described(FakeRecord(b"k", wire_prefix(5), "t"), "avro")["value"]["hex"] == "0000000005"
