"""Java reads what we write and we read what Java writes, value for value."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.contract.schemas.avro_tools import AvroTools

from k2_shared.core.trade import Trade, decode, encode, wire_prefix
from k2_support.records import SCHEMAS, fields, trade, trades
from k2_support.spellings import spelt

SCHEMA_ID = 7
RECEIVED_US = 1_762_795_434_000_000
PREFIX = wire_prefix(SCHEMA_ID)
EXTREMES = [
    {"price": "9999999999.99999999", "quantity": "0.00000001"},
    {"price": "-9999999999.99999999", "quantity": "-0.00000001"},
    {"price": "0", "quantity": "0.00000128"},
]
# A Java starts per example, so an example is many trades, there are few, and none is made smaller.
few = settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
many_trades = st.lists(trades(), min_size=20, max_size=60)


def encoded(of: Trade) -> bytes:
    return encode(of, RECEIVED_US, PREFIX)


def decoded(of: Trade) -> dict[str, Any]:
    return decode(encoded(of), SCHEMAS)


def bare(of: list[Trade]) -> bytes:
    return b"".join(encoded(each).removeprefix(PREFIX) for each in of)


def read_by_us(data: bytes, of: list[Trade]) -> list[dict[str, Any]]:
    """Decode records that stand one after another, each as long as ours; a map's entries may come in any order."""
    found = []
    for each in of:
        length = len(encoded(each)) - len(PREFIX)
        found.append(decode(PREFIX + data[:length], SCHEMAS))
        data = data[length:]
    assert data == b""
    return found


@pytest.mark.long  # a Java for each example
@few
@given(of=many_trades)
def test_java_reads_our_bytes(avro_tools: AvroTools, of: list[Trade]) -> None:
    """avro-tools decodes every field of every trade as we meant it."""
    expected = [{**decoded(each), "price": each.price, "quantity": each.quantity} for each in of]
    assert avro_tools.decode(bare(of)) == expected


@pytest.mark.long  # a Java for each example
@few
@given(of=many_trades)
def test_we_read_javas_bytes(avro_tools: AvroTools, of: list[Trade]) -> None:
    """What avro-tools writes is decoded by us to the same values, and takes the same bytes."""
    records = [decoded(each) for each in of]
    assert read_by_us(avro_tools.encode(records), of) == records


def test_java_reads_every_legal_spelling(avro_tools: AvroTools) -> None:
    """What silver lets through in another spelling than ours is the same trade to Java."""
    of = trade(vendor_data={"ord_type": "limit", "event_time": "1"})
    spelt_alike = [data.removeprefix(PREFIX) for _, data in spelt(of)]
    assert avro_tools.decode(b"".join(spelt_alike)) == [fields(of)] * len(spelt_alike)


def test_extremes(avro_tools: AvroTools) -> None:
    """The largest and the smallest decimals, signs and zero pass both ways unchanged."""
    of = [trade(**{name: type(trade().price)(text) for name, text in each.items()}) for each in EXTREMES]
    assert avro_tools.decode(bare(of)) == [decoded(each) for each in of]
    assert avro_tools.encode(decoded(each) for each in of) == bare(of)


def test_java_compiles_the_schema(avro_tools: AvroTools) -> None:
    """The schema is valid to Java, whose class has prices as BigDecimal and times as Instant."""
    source = avro_tools.compile()
    for declared in ("java.math.BigDecimal price", "java.math.BigDecimal quantity", "java.time.Instant timestamp"):
        assert f"private {declared};" in source
