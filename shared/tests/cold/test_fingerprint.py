"""How fingerprints are said, and of what they are made; what their SQL comes to is in test_tier_hours.py."""

from decimal import Decimal

import pytest

from k2_shared.cold.fingerprint import Fingerprint, checksum, hour_number, independent_checksum, sums
from k2_shared.core import contracts
from k2_shared.core.contracts import ColdTableContract

COLD = contracts.cold_tables()
EVERY = pytest.mark.parametrize("contract", COLD.values(), ids=lambda table: table.name)


@EVERY
def test_a_checksum_is_of_every_column(contract: ColdTableContract) -> None:
    """Of both kinds; what it says of a column depends on nothing but the contract."""
    for said in (checksum(contract), independent_checksum(contract)):
        assert [column.name for column in contract.columns if f"CAST({column.name}, " not in said] in (
            [],
            ["vendor_data"],
        )
        assert ("mapKeys(vendor_data)" in said) == ("vendor_data" in str(contract.columns))
    assert contract.hour_by in hour_number(contract)


@pytest.mark.parametrize(
    ("name", "summed"),
    [
        ("raw_trades", ["bytes"]),
        ("bronze_trades", ["price", "quantity"]),
        ("silver_trades", ["price", "quantity"]),
        ("gold_ohlcv_1m", ["close", "volume"]),
    ],
)
def test_what_is_summed(name: str, summed: list[str]) -> None:
    """Prices and quantities; of frames their bytes."""
    assert list(sums(COLD[name])) == summed


def test_equal_fingerprints_are_spelt_alike_and_others_are_not() -> None:
    """Whatever zeros their sums end with and in whatever order they come; every digit of every part counts."""
    said = str(Fingerprint(12, {"price": Decimal("1200.50"), "quantity": Decimal("-0.00000001")}, 2**127 + 1))
    assert said == f"rows=12 price=1200.5 quantity=-0.00000001 checksum={2**127 + 1:x}"
    same = Fingerprint(12, {"quantity": Decimal("-0.0000000100"), "price": Decimal("1200.5")}, 2**127 + 1)
    assert str(same) == said
    assert same == Fingerprint(12, {"price": Decimal("1200.50"), "quantity": Decimal("-1E-8")}, 2**127 + 1)
    others = [
        Fingerprint(13, same.sums, same.checksum),
        Fingerprint(12, {**same.sums, "price": Decimal("1200.50000001")}, same.checksum),
        Fingerprint(12, same.sums, same.checksum + 1),
    ]
    assert len({said, *map(str, others)}) == 4
    assert all(each != same for each in others)


def test_whole_numbers_keep_their_zeros() -> None:
    """Also with 76 digits."""
    assert "bytes=1200 " in str(Fingerprint(1, {"bytes": Decimal(1200)}, 0))
    assert f"bytes={10**75} " in str(Fingerprint(1, {"bytes": Decimal(10**75)}, 0))
