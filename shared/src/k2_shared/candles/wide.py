"""Sums of more than 64 bits, exact, for a whole column at once.

A batch is summed in digits of 32 bits, each a uint64 with room for carries; a total is kept in limbs of 64 bits, the
least significant first: two as Arrow's decimal128 lays them out, four as its decimal256.

The bounds, for prices and quantities below ``UNSCALED_LIMIT`` = 10^18 < 2^60 and at most ``MOST_ROWS`` = 2^30 rows:
let p = p1 * 2^32 + p0 and q = q1 * 2^32 + q0, where p0, q0 < 2^32 and p1, q1 < 2^28. Then p0*q0 < 2^64 and
p0*q1 + p1*q0 < 2^61 and p1*q1 < 2^56 fit uint64, and of the product's four digits, not yet carried, each is below 2^33.
So a sum of 2^30 rows has digits below 2^63. The sum itself is below 2^150, of quantities below 2^90: added to a total
below 10^76 < 2^253, or 10^38 < 2^127, it stays within the limbs, and only then is it told whether it is too large.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from k2_shared.core.layout import Flags, Longs

Words = npt.NDArray[np.uint64]
UNSCALED_LIMIT = 10**18
"""Prices and quantities in units of 10^-8 are below it: decimal(18,8)."""
MOST_ROWS = 2**30
QUANTITY_DIGITS = 2
PRODUCT_DIGITS = 4
_BITS = np.uint64(32)
_LOW = np.uint64(2**32 - 1)
_LIMB = 2**64


def quantity_digits(quantity: Longs) -> Words:
    """The digits of quantities, one row of the result for each digit."""
    words = quantity.view(np.uint64)
    return np.stack([words & _LOW, words >> _BITS])


def product_digits(price: Longs, quantity: Longs) -> Words:
    """The digits of price * quantity, not yet carried, one row of the result for each digit."""
    (p0, p1), (q0, q1) = quantity_digits(price), quantity_digits(quantity)
    low, middle, high = p0 * q0, p0 * q1 + p1 * q0, p1 * q1
    return np.stack([low & _LOW, (low >> _BITS) + (middle & _LOW), (middle >> _BITS) + (high & _LOW), high >> _BITS])


def limbs(digits: Words, count: int) -> Words:
    """Carry sums of digits, and join them: a row of ``count`` limbs for each column of digits."""
    joined = np.zeros((digits.shape[1], count), np.uint64)
    carry = np.zeros(digits.shape[1], np.uint64)
    for place in range(2 * count):
        if place < len(digits):
            carry = carry + digits[place]
        joined[:, place // 2] |= (carry & _LOW) << (_BITS * np.uint64(place % 2))
        carry = carry >> _BITS
    return joined


def added(left: Words, right: Words) -> Words:
    """The sums of two columns of limbs, which must not exceed their limbs."""
    total = left + right
    carry = total < left
    for place in range(1, left.shape[1]):
        total[:, place] += carry[:, place - 1]
        carry[:, place] |= (total[:, place] == 0) & carry[:, place - 1]
    return total


def reaches(values: Words, bound: int) -> Flags:
    """Which values are not below a bound."""
    reached = np.ones(len(values), np.bool_)
    for place, limb in enumerate(from_integers([bound], values.shape[1])[0]):
        reached = (values[:, place] > limb) | ((values[:, place] == limb) & reached)
    return reached


def to_integers(values: Words) -> list[int]:
    """Each row of limbs as one number."""
    return [sum(limb * _LIMB**place for place, limb in enumerate(row)) for row in values.tolist()]


def from_integers(numbers: Sequence[int], count: int) -> Words:
    """Each number, of no more than so many limbs, as a row of them."""
    rows = [[number // _LIMB**place % _LIMB for place in range(count)] for number in numbers]
    return np.array(rows, np.uint64).reshape(len(rows), count)
