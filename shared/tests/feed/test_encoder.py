"""The specialised encoder: byte for byte what fastavro writes, and the same refusals."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import Trade, encode, wire_prefix
from k2_shared.feed.publish.encoder import encoder, piece
from k2_support.records import RECEIVED_NS, SCHEMA_ID, trade

PREFIX = wire_prefix(SCHEMA_ID)
EDGES = [edge + step for edge in (0, 2**6, 2**13, 2**27, 2**62, 2**63) for step in (-1, 0, 1)]
LONGS = st.sampled_from(EDGES) | st.integers(-(2**64), 2**64) | st.integers(10**15, 2 * 10**15)
UNSCALED = st.integers(-(10**18) + 1, 10**18 - 1) | st.sampled_from([2**n - step for n in range(60) for step in (0, 1)])
DECIMALS = (
    UNSCALED.map(lambda digits: Decimal(digits).scaleb(-8))
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.decimals(min_value=-(10**11), max_value=10**11, places=9)
)
TEXTS = st.text(max_size=300)
SAID = st.none() | st.dictionaries(TEXTS, TEXTS, max_size=4)
TRADES = st.builds(
    Trade,
    exchange=st.sampled_from(["BINANCE", "KRAKEN"]),
    symbol=st.sampled_from(["BTC/USDT", "Ð/€", ""]) | st.text(max_size=20) | st.just("S" * 300),
    trade_id=LONGS,
    timestamp=LONGS,
    price=DECIMALS,
    quantity=DECIMALS,
    side=st.sampled_from(["BUY", "SELL"]),
    vendor_data=SAID,
)


def reference(of: Trade, received_us: int) -> bytes | tuple[str, str]:
    """What the writer of fastavro makes of a trade: its value, or why it is refused."""
    try:
        return encode(of, received_us, PREFIX)
    except InvalidRecord as error:
        return error.reason, error.detail


def specialised(of: Trade, received_us: int) -> bytes | tuple[str, str]:
    """What the specialised encoder makes of it."""
    try:
        return encoder(of.exchange, of.symbol, PREFIX)(of, received_us)
    except InvalidRecord as error:
        return error.reason, error.detail


@given(TRADES, st.integers(0, 2**63 - 1) | st.integers(10**15, 2 * 10**15))
def test_any_trade_gets_the_bytes_or_the_refusal_of_the_reference(of: Trade, received_us: int) -> None:
    """Fastavro, behind the checks of ``k2_shared.core.trade``, is the reference."""
    assert specialised(of, received_us) == reference(of, received_us)


@pytest.mark.parametrize("number", EDGES)
@pytest.mark.parametrize("name", ["trade_id", "timestamp"])
def test_numbers_at_the_edges_of_their_length(name: str, number: int) -> None:
    """Where a number takes a byte more, where it turns negative, and where 64 bits end."""
    of = trade(**{name: number})
    assert specialised(of, RECEIVED_NS // 1_000) == reference(of, RECEIVED_NS // 1_000)


@pytest.mark.parametrize("text", ["1e-05", "1E+3", "0", "-0", "0e99", "105433.6000000000", "-0.00000001", "-1.28e-6"])
@pytest.mark.parametrize("name", ["price", "quantity"])
def test_any_spelling_of_a_number_is_the_same_number(name: str, text: str) -> None:
    """Exponents, trailing zeros and signs of nothing."""
    of = trade(**{name: Decimal(text)})
    assert specialised(of, 0) == reference(of, 0)
    assert isinstance(specialised(of, 0), bytes)


@pytest.mark.parametrize(
    ("changes", "reason", "quoted"),
    [
        ({"quantity": Decimal("46116022156.00")}, "decimal_overflow", "quantity 46116022156.00 does not fit"),
        ({"price": Decimal("0.0000000001")}, "decimal_overflow", "price 1E-10 does not fit"),
        ({"price": Decimal("1e1000000")}, "decimal_overflow", "price 1E+1000000 does not fit"),
        ({"price": Decimal("9999999999.999999999")}, "decimal_overflow", "9999999999.999999999"),
        ({"trade_id": 2**63}, "trade_id_overflow", str(2**63)),
        ({"timestamp": 10**25}, "timestamp_overflow", str(10**25)),
    ],
)
def test_what_the_schema_cannot_hold_is_refused_with_its_exact_text(
    changes: dict[str, Any], reason: str, quoted: str
) -> None:
    """Never rounded: the refusal quotes it as it came."""
    of = trade(**changes)
    with pytest.raises(InvalidRecord) as refused:
        encoder(of.exchange, of.symbol, PREFIX)(of, 0)
    assert refused.value.reason == reason
    assert quoted in refused.value.detail


@pytest.mark.parametrize("said", [{}, {"a": ""}, None])
def test_nothing_said_and_nothing_to_say_differ(said: dict[str, str] | None) -> None:
    """An empty map is one, and none is none."""
    of = trade(vendor_data=said)
    assert specialised(of, 0) == reference(of, 0)


def test_a_type_that_it_cannot_write_is_named() -> None:
    """A change of the schema is noticed when the encoder is made, not in the bytes."""
    with pytest.raises(TypeError, match="no encoder for the Avro type 'double' of price"):
        piece("double", "price")
