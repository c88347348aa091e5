"""Each rule refuses what it says, alone; everything that V3 holds and a venue could say passes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from k2_shared.core import contracts
from k2_shared.core.columns import decode_columns
from k2_shared.core.trade import Trade, decode
from k2_support.records import SCHEMAS, encoded, example, fields, trade, trades
from silver.rules import RULES, VENUE_BIRTH_US, Context, broken, sound

NOW_US = 1_800_000_000_000_000
VALID = fields(trade())
CONTEXT = Context(trade().key, "KRAKEN", NOW_US)
INVALID = sorted(entry.name for entry in (contracts.ROOT / "examples/invalid").iterdir())

BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("exchange_mismatch", {"exchange": "BINANCE"}),
    ("symbol_malformed", {"symbol": "btc-usdt"}),
    ("symbol_malformed", {"symbol": "BTCUSDT"}),
    ("symbol_malformed", {"symbol": "BTC/USD/T"}),
    ("symbol_malformed", {"symbol": "BTC/USDT\n"}),
    ("symbol_malformed", {"symbol": "/USDT"}),
    ("symbol_malformed", {"symbol": "BTC\u200b/USDT"}),  # a space that nobody sees
    ("symbol_malformed", {"symbol": "B" * 36 + "/USDT"}),
    ("currency_mismatch", {"symbol": "BTC/usdt"}),
    ("currency_mismatch", {"currency": "USD"}),
    ("currency_mismatch", {"currency": ""}),
    ("key_mismatch", {"symbol": "ETH/USDT"}),
    ("key_mismatch", {"symbol": "btc/USDT"}),
    ("key_mismatch", {"symbol": "\u0412\u0422\u0421/USDT"}),  # Cyrillic
    ("trade_id_invalid", {"trade_id": "0"}),
    ("trade_id_invalid", {"trade_id": "-5"}),
    ("trade_id_invalid", {"trade_id": "010218208"}),
    ("trade_id_invalid", {"trade_id": "9223372036854775808"}),
    ("trade_id_invalid", {"trade_id": "1" * 5000}),
    ("trade_id_invalid", {"trade_id": "٣"}),
    ("trade_id_invalid", {"trade_id": ""}),
    ("message_id_mismatch", {"message_id": "KRAKEN:BTC/USDT:10218209"}),
    ("message_id_mismatch", {"message_id": ""}),
    ("sequence_mismatch", {"source_sequence": 10218209}),
    ("decimal_overflow", {"price": Decimal("10000000000.00000000")}),
    ("decimal_overflow", {"quantity": Decimal("46116022156.00000000")}),
    ("decimal_overflow", {"quantity": Decimal("-99999999999999999999.99999999")}),
    ("price_not_positive", {"price": Decimal("0.00000000")}),
    ("price_not_positive", {"price": Decimal("-0.00000001")}),
    ("quantity_not_positive", {"quantity": Decimal("0.00000000")}),
    ("quantity_not_positive", {"quantity": Decimal("-1.00000000")}),
    ("timestamp_too_old", {"timestamp": VENUE_BIRTH_US["KRAKEN"] - 1}),
    ("timestamp_too_old", {"timestamp": -(2**63)}),
    ("timestamp_in_future", {"timestamp": NOW_US + 1}),
    ("timestamp_in_future", {"timestamp": 2**63 - 1}),
]


def reason(trade_fields: dict[str, Any], context: Context = CONTEXT) -> str | None:
    """The rule that an encoded trade with these fields breaks, after its decoding."""
    rule = broken(decode(encoded(trade_fields), SCHEMAS), context)
    return rule.reason if rule else None


@pytest.mark.parametrize(("expected", "changes"), BROKEN)
def test_a_broken_rule_is_named(expected: str, changes: dict[str, Any]) -> None:
    """One change to a valid trade breaks exactly the rule it is about, first of all."""
    assert reason(VALID) is None
    assert reason({**VALID, **changes}) == expected


@pytest.mark.parametrize("key", [None, b"", b"KRAKEN:BTC/USD", b"kraken:BTC/USDT", b"\xff"])
def test_another_key_is_a_mismatch(key: bytes | None) -> None:
    """The key chose the partition, so order depends on it."""
    assert reason(VALID, Context(key, "KRAKEN", NOW_US)) == "key_mismatch"


def test_every_rule_is_broken_by_a_test() -> None:
    """A new rule needs a case here; codes are unique, fit for a label."""
    codes = [rule.reason for rule in RULES]
    assert {expected for expected, _ in BROKEN} == set(codes)
    assert len(codes) == len(set(codes))
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


@given(trades())
def test_every_trade_of_a_venue_passes(of: Trade) -> None:
    """Any symbol, id, price, quantity, side and vendor data that V3 holds."""
    assert reason(fields(of), Context(of.key, of.exchange, NOW_US)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": VENUE_BIRTH_US["KRAKEN"]},
        {"timestamp": NOW_US},
        {"source_sequence": None},
        {"vendor_data": None},
        {"price": Decimal("9999999999.99999999"), "quantity": Decimal("0.00000001")},
        {"trade_id": "9223372036854775807", "source_sequence": 2**63 - 1}
        | {"message_id": "KRAKEN:BTC/USDT:9223372036854775807"},
    ],
)
def test_the_edges_of_the_rules_are_valid(changes: dict[str, Any]) -> None:
    """What is just allowed passes."""
    assert reason({**VALID, **changes}) is None


@pytest.mark.parametrize("path", INVALID)
def test_an_invalid_example_breaks_the_rule_it_is_named_after(path: str) -> None:
    """The contracts show what silver refuses, and why."""
    record = example(f"invalid/{path}")
    rule = broken(decode(record.value, SCHEMAS), Context(record.key, "KRAKEN", NOW_US))
    assert rule is not None
    assert f"{rule.reason}.json" == path


@pytest.mark.parametrize("exchange", ["kraken", "binance"])
def test_a_valid_example_passes(exchange: Any) -> None:
    """And what it lets through."""
    record = example(f"valid/{exchange}_trade.json")
    assert broken(decode(record.value, SCHEMAS), Context(record.key, exchange.upper(), NOW_US)) is None
    assert json.loads((contracts.ROOT / f"examples/valid/{exchange}_trade.json").read_text())["key"].encode() == (
        record.key
    )


@pytest.mark.parametrize(("_reason", "change"), BROKEN)
def test_a_row_that_breaks_a_rule_is_not_sound(_reason: str, change: dict[str, Any]) -> None:
    """The columns never let through what a rule refuses; its neighbours are sound."""
    values = [encoded(VALID), encoded({**VALID, **change}), encoded(VALID)]
    columns = decode_columns(values, [trade().key] * 3, SCHEMAS)
    assert sound(columns, "KRAKEN", NOW_US).tolist() == [True, False, True]


@given(trades())
def test_a_sound_row_breaks_no_rule(given_trade: Trade) -> None:
    """Of any trade that V3 holds: sound by its columns means that no rule is broken."""
    columns = decode_columns([encoded(fields(given_trade))], [given_trade.key], SCHEMAS)
    if sound(columns, given_trade.exchange, NOW_US).all():
        context = Context(given_trade.key, given_trade.exchange, NOW_US)
        assert broken(decode(encoded(fields(given_trade)), SCHEMAS), context) is None


def test_an_ordinary_trade_is_sound() -> None:
    """The fast path is the common one."""
    assert sound(decode_columns([encoded(VALID)], [trade().key], SCHEMAS), "KRAKEN", NOW_US).all()
