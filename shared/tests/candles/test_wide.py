"""Sums of more than 64 bits are exact at every bound, and stand as Arrow lays decimals out."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.candles.wide import (
    MOST_ROWS,
    UNSCALED_LIMIT,
    added,
    from_integers,
    limbs,
    product_digits,
    quantity_digits,
    reaches,
    to_integers,
)

AMOUNTS = st.integers(1, UNSCALED_LIMIT - 1)
LARGEST = np.array([UNSCALED_LIMIT - 1], np.int64)


def longs(*numbers: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.array(numbers, np.int64)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=30))
def test_sums_are_those_of_pythons_integers(pairs: list[tuple[int, int]]) -> None:
    """Of quantities, and of prices times quantities."""
    price, quantity = longs(*(p for p, _ in pairs)), longs(*(q for _, q in pairs))
    volume = limbs(quantity_digits(quantity).sum(axis=1, keepdims=True), 2)
    quote_volume = limbs(product_digits(price, quantity).sum(axis=1, keepdims=True), 4)
    assert to_integers(volume) == [sum(q for _, q in pairs)]
    assert to_integers(quote_volume) == [sum(p * q for p, q in pairs)]


@pytest.mark.parametrize("rows", [1, 200_000, MOST_ROWS])
def test_the_largest_batch_of_the_largest_trades_does_not_overflow(rows: int) -> None:
    """Sums of digits fit 64 bits to the last row that a batch may have."""
    digits = {2: quantity_digits(LARGEST), 4: product_digits(LARGEST, LARGEST)}
    exact = {2: rows * int(LARGEST[0]), 4: rows * int(LARGEST[0]) ** 2}
    for count, each in digits.items():
        assert max(int(digit) * rows for digit in each[:, 0]) < 2**64
        assert to_integers(limbs(each * np.uint64(rows), count)) == [exact[count]]


@given(st.lists(st.tuples(st.integers(0, 10**76 - 1), st.integers(0, 2**150)), max_size=5))
def test_totals_are_added_with_every_carry(pairs: list[tuple[int, int]]) -> None:
    """From limb to limb."""
    left, right = (from_integers([pair[of] for pair in pairs], 4) for of in (0, 1))
    assert to_integers(added(left, right)) == [a + b for a, b in pairs]


@pytest.mark.parametrize(("left", "right"), [(2**64 - 1, 1), (2**128 - 1, 1), (2**192 - 1, 2**64), (2**64, 2**64)])
def test_a_carry_passes_through_limbs_that_are_full(left: int, right: int) -> None:
    """Also where a limb overflows by the carry alone."""
    assert to_integers(added(from_integers([left], 4), from_integers([right], 4))) == [left + right]


@pytest.mark.parametrize("bound", [1, 10**38, 10**76])
def test_a_bound_is_reached_from_itself_on(bound: int) -> None:
    """And not by one less."""
    numbers = [0, bound - 1, bound, bound + 1, 2**64 + bound]
    assert reaches(from_integers(numbers, 4), bound).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(("decimal", "count"), [(pa.decimal128(38, 8), 2), (pa.decimal256(76, 16), 4)])
def test_limbs_are_arrows_decimals(decimal: pa.DataType, count: int) -> None:
    """A column becomes one of Arrow without a Python object for a value."""
    numbers = [0, 1, 2**64 + 5, 10**decimal.precision - 1]
    buffer = pa.py_buffer(from_integers(numbers, count))
    column = pa.Array.from_buffers(decimal, len(numbers), [None, buffer])
    with_scale = [Decimal(f"{number}e-{decimal.scale}") for number in numbers]
    assert column.to_pylist() == with_scale
