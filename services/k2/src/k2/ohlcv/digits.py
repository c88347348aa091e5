"""Decimals as people read them: exact, and all of a column with the same number of digits. Pure."""

from collections.abc import Iterable
from decimal import Decimal


def places(values: Iterable[Decimal]) -> int:
    """How many digits after the point it takes to write all of them exactly."""
    return max((_places(value) for value in values), default=0)


def _places(value: Decimal) -> int:
    _, digits, exponent = value.as_tuple()
    zeros = next((count for count, digit in enumerate(reversed(digits)) if digit), len(digits))
    return max(0, -int(exponent) - zeros)


def fixed(values: Iterable[Decimal], least: int = 0) -> list[str]:
    """The values as text, each with the digits after the point that the longest of them needs, and at least so many."""
    found = list(values)
    count = max(least, places(found))
    return [f"{value:.{count}f}" for value in found]
