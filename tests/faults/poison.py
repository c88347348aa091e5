"""Poison pills: every way in which a delivery to bronze can be broken, and who must refuse it for what reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.faults.deliveries import Refusal

from k2_shared.core import contracts
from k2_shared.core.avro import DECIMAL_BYTES
from k2_shared.core.trade import Trade
from k2_shared.kafka.topics import BRONZE
from k2_support.records import encoded, fields, value
from k2_support.spellings import Spelling

_YEAR_2100_US = 4_102_444_800_000_000
_WIDE = Spelling(signs=DECIMAL_BYTES)
_MARGIN_BYTES = 2_048  # for the batch's own bytes, the key and the headers
LARGEST_VALUE = contracts.topics()[BRONZE.format(exchange="kraken")].max_message_bytes - _MARGIN_BYTES


@dataclass(frozen=True, slots=True)
class Pill:
    """A broken record: its key and value, and how many partitions it lies beside its own."""

    key: bytes
    value: bytes | None
    astray: int = 0


@dataclass(frozen=True, slots=True)
class Poison:
    """One kind of pill, made of a valid trade and the schema's id."""

    name: str
    refusal: Refusal
    make: Callable[[Trade, int], Pill]


def _value(name: str, reason: str, spoil: Callable[[bytes, int], bytes | None]) -> Poison:
    """A kind of pill whose value's bytes are spoilt."""
    return Poison(name, Refusal("silver", reason), lambda t, i: Pill(t.key, spoil(value(t, i), i)))


def _fields(reason: str, changes: Callable[[Trade], Mapping[str, Any]], name: str = "") -> Poison:
    """A kind of pill that decodes, with fields that break a rule."""
    return Poison(
        name or reason,
        Refusal("silver", reason),
        lambda t, i: Pill(t.key, encoded({**fields(t), **changes(t)}, i)),
    )


def _numbered(trade: Trade, number: str, sequence: int | None) -> dict[str, Any]:
    symbol = f"{trade.exchange}:{trade.symbol}"
    return {"trade_id": number, "message_id": f"{symbol}:{number}", "source_sequence": sequence}


def _of_the_other_venue(trade: Trade, schema_id: int) -> Pill:
    other = trade._replace(exchange="KRAKEN" if trade.exchange == "BINANCE" else "BINANCE")
    return Pill(other.key, value(other, schema_id))


KINDS = (
    _value("truncated", "undecodable", lambda v, _: v[: len(v) // 2]),
    _value("unknown_schema", "unknown_schema", lambda v, i: v[:1] + (i + 1_000).to_bytes(4, "big") + v[5:]),
    _value("bad_magic", "bad_magic", lambda v, _: b"\x01" + v[1:]),
    _value("trailing_bytes", "trailing_bytes", lambda v, _: v + b"\x00"),
    _value("null_value", "null_value", lambda v, _: None),
    Poison("oversized_decimal", Refusal("silver", "oversized"), lambda t, i: Pill(t.key, _WIDE.write(fields(t), i))),
    _fields("message_id_mismatch", lambda t: {"message_id": f"{t.message_id}0"}),
    _fields("trade_id_invalid", lambda t: _numbered(t, "0", 0), name="trade_id_0"),
    _fields("trade_id_invalid", lambda t: _numbered(t, "one", None), name="trade_id_text"),
    _fields("price_not_positive", lambda t: {"price": Decimal("-1.00000000")}),
    _fields("timestamp_in_future", lambda t: {"timestamp": _YEAR_2100_US}),
    Poison("exchange_mismatch", Refusal("silver", "exchange_mismatch"), _of_the_other_venue),
    Poison("key_mismatch", Refusal("silver", "key_mismatch"), lambda t, i: Pill(t.key + b"X", value(t, i))),
    Poison("foreign_partition", Refusal("gold", "foreign_partition"), lambda t, i: Pill(t.key, value(t, i), 1)),
)
OVERSIZED = _value("oversized", "trailing_bytes", lambda v, _: v.ljust(LARGEST_VALUE, b"\x00"))


def large(trade: Trade) -> Trade:
    """A valid trade that is nearly as large as its topic allows."""
    return trade._replace(vendor_data={"padding": "x" * (LARGEST_VALUE - 1_024)})
