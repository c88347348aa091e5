"""Trades and consumed records for tests, made by hand or by hypothesis."""

import copy
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from fastavro import parse_schema, schemaless_writer
from hypothesis import strategies as st

from k2_shared.core import contracts
from k2_shared.core.origin import HEADER, Headers, Origin
from k2_shared.core.trade import DECIMAL_PRECISION, Trade, contract_under, decode, encode, wire_prefix

SCHEMA_ID = 7
SCHEMAS = contract_under(SCHEMA_ID)
RECEIVED_NS = 1_762_795_434_000_000_123
ORIGIN = Origin(RECEIVED_NS, connection_id=5, frame_number=1)


@cache
def _unchecked(schema: str) -> Any:
    """A schema without the limits of its decimals: the same bytes, but any decimal is written."""
    return parse_schema(json.loads(schema.replace('"precision": 18', '"precision": 60')))


def with_exchanges(*exchanges: str) -> dict[str, Any]:
    """The contract's schema with other exchanges in its enum."""
    schema = copy.deepcopy(contracts.trade_schema())
    (enum,) = (field["type"] for field in schema["fields"] if field["name"] == "exchange")
    enum["symbols"] = list(exchanges)
    return schema


ADDED = {"name": "fee", "type": ["null", "string"], "default": None, "doc": "what it cost"}
"""A field as a contract may get one."""


def newer_schema() -> dict[str, Any]:
    """The contract's schema as a newer one may be: with a field more."""
    return with_fields(*contracts.trade_schema()["fields"], ADDED)


def older_schema() -> dict[str, Any]:
    """The contract's schema as an older one may have been: without its last field."""
    return with_fields(*contracts.trade_schema()["fields"][:-1])


def with_fields(*fields: Any) -> dict[str, Any]:
    """The contract's schema with other fields."""
    return contracts.trade_schema() | {"fields": list(fields)}


@dataclass(frozen=True)
class FakeRecord:
    """A consumed record; what is not given is as a feed would write it."""

    key: bytes | None
    value: bytes | None
    topic: str = "market.crypto.trades.kraken"
    partition: int = 0
    offset: int = 0
    timestamp: int = RECEIVED_NS // 1_000_000
    headers: Headers = ((HEADER, ORIGIN.pack()),)


def trade(**changes: Any) -> Trade:
    """A valid Kraken trade, with changes."""
    fields: dict[str, Any] = {
        "exchange": "KRAKEN",
        "symbol": "BTC/USDT",
        "trade_id": 10_218_208,
        "timestamp": 1_762_795_433_971_744,
        "price": Decimal("105433.60000"),
        "quantity": Decimal("0.00027625"),
        "side": "BUY",
        "vendor_data": {"ord_type": "limit"},
    }
    return Trade(**{**fields, **changes})


def value(of: Trade, schema_id: int = SCHEMA_ID) -> bytes:
    """A trade's record value."""
    return encode(of, RECEIVED_NS // 1_000, wire_prefix(schema_id))


def fields(of: Trade) -> dict[str, Any]:
    """A trade's twelve fields as they are decoded."""
    return decode(value(of), SCHEMAS)


def encoded(
    trade_fields: Mapping[str, Any], schema_id: int = SCHEMA_ID, schema: Mapping[str, Any] | None = None
) -> bytes:
    """A record value from twelve fields, whatever they say: as a writer without our checks would encode them."""
    buffer = io.BytesIO()
    buffer.write(wire_prefix(schema_id))
    schemaless_writer(buffer, _unchecked(json.dumps(schema or contracts.trade_schema())), dict(trade_fields))
    return buffer.getvalue()


def example(path: str) -> FakeRecord:
    """The record of an example of trades in ``schemas/examples``."""
    said = contracts.example(path)
    amounts = {name: Decimal(said["value"][name]) for name in ("price", "quantity")}
    return FakeRecord(said["key"].encode(), encoded({**said["value"], **amounts}))


def records(trades: Iterable[Trade], topic: str = "market.crypto.trades.kraken") -> list[FakeRecord]:
    """Consumed records of one partition, offsets from 0."""
    return [FakeRecord(t.key, value(t), topic, offset=offset) for offset, t in enumerate(trades)]


def decimals(minimum: str = "0.00000001") -> st.SearchStrategy[Decimal]:
    """Every positive decimal(18,8)."""
    return st.decimals(minimum, "9999999999.99999999", places=8)


def trades() -> st.SearchStrategy[Trade]:
    """Every trade that V3 holds."""
    bases = st.sampled_from(["BTC", "ETH", "1INCH", "AAPLx", "ETH2.S", "币安人生"])
    symbol = st.builds("{}/{}".format, bases, st.sampled_from(["USD", "USDT"]))
    return st.builds(
        Trade,
        exchange=st.sampled_from(["BINANCE", "KRAKEN"]),
        symbol=symbol,
        trade_id=st.integers(1, 2**63 - 1),
        timestamp=st.integers(1_500_000_000_000_000, 1_762_000_000_000_000),
        price=decimals(),
        quantity=decimals(),
        side=st.sampled_from(["BUY", "SELL"]),
        vendor_data=st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    )


def trade_fields() -> st.SearchStrategy[dict[str, Any]]:
    """Twelve fields as the schema takes them, whether or not they agree: no rule of silver has judged them."""
    return st.fixed_dictionaries({field["name"]: _said(field["type"]) for field in contracts.trade_schema()["fields"]})


def _said(kind: Any) -> st.SearchStrategy[Any]:
    """Every value of an Avro type of the schema; of maps the small ones."""
    match kind:
        case "string":
            return st.text(max_size=12)
        case "long" | {"type": "long"}:
            return st.integers(-(2**63), 2**63 - 1)
        case {"logicalType": "decimal", "scale": scale}:
            most = 10**DECIMAL_PRECISION - 1
            unscaled = st.sampled_from([most, -most, 0]) | st.integers(-most, most)
            return unscaled.map(lambda number: Decimal(number).scaleb(-scale))
        case {"symbols": symbols}:
            return st.sampled_from(symbols)
        case {"values": "string"}:
            return st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=8)
        case ["null", some]:
            return st.none() | _said(some)
    raise ValueError(f"no values of the Avro type {kind!r}")
