"""Within V3 the contract of trades only gains fields that are null by default: what was written stays readable."""

from typing import Any

import pytest

from k2_shared.core.contracts import trade_schema
from k2_shared.core.trade import is_addition

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 8}
TIME = {"type": "long", "logicalType": "timestamp-micros"}
FIRST: list[tuple[str, Any]] = [
    ("message_id", "string"),
    ("trade_id", "string"),
    ("symbol", "string"),
    ("exchange", "enum"),
    ("timestamp", TIME),
    ("price", DECIMAL),
    ("quantity", DECIMAL),
    ("currency", "string"),
    ("side", {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]}),
    ("source_sequence", ["null", "long"]),
    ("ingestion_timestamp", TIME),
    ("vendor_data", ["null", {"type": "map", "values": "string"}]),
]
"""The fields with which V3 began; a venue adds a symbol to the exchange's enum."""


def kinds() -> list[tuple[str, Any]]:
    """The fields of the contract with their types, an exchange's whichever its symbols are."""
    found = [(field["name"], field["type"]) for field in trade_schema()["fields"]]
    return [(name, "enum" if name == "exchange" else kind) for name, kind in found]


def test_what_v3_began_with_stays() -> None:
    """By name, order and type: a registry would let another scale of a decimal pass."""
    assert kinds()[: len(FIRST)] == FIRST
    assert "default" not in trade_schema()["fields"][0]


@pytest.mark.parametrize("field", trade_schema()["fields"][len(FIRST) :] or [pytest.param(None, id="none yet")])
def test_what_was_added_is_null_by_default(field: Any) -> None:
    """And of a type that every reader knows; it stands behind those before it."""
    assert field is None or is_addition(field)
