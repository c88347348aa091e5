"""Decimals as text; pure."""

from decimal import Decimal


def plain(number: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    said = f"{number:f}"
    return said.rstrip("0").rstrip(".") if "." in said else said
