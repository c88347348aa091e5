"""Decimals as text."""

from decimal import Decimal

import pytest

from k2_shared.core.decimals import plain


@pytest.mark.parametrize(
    ("number", "said"),
    [("0E-8", "0"), ("1E-8", "0.00000001"), ("1.50000000", "1.5"), ("100", "100"), ("1E+2", "100"), ("-3.0", "-3")],
)
def test_every_digit_is_said_and_no_other(number: str, said: str) -> None:
    """Without an exponent, and without zeros at the end."""
    assert plain(Decimal(number)) == said
