"""Records as another reader than ours has them."""

import io
from collections.abc import Mapping
from typing import Any

from fastavro import parse_schema, schemaless_reader

from k2_shared.core.contracts import trade_schema
from k2_shared.core.trade import WIRE_PREFIX_BYTES


def by_fastavro(data: bytes, schema: Mapping[str, Any] | None = None) -> Any:
    """What fastavro reads of a record value, times as int64; ``schema`` is the contract's where none is given."""
    said = schema or trade_schema()
    longs = [{**field, "type": "long"} if field["name"].endswith("timestamp") else field for field in said["fields"]]
    return schemaless_reader(io.BytesIO(data[WIRE_PREFIX_BYTES:]), parse_schema({**said, "fields": longs}), None)
