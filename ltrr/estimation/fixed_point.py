"""Sums that have the same bits in any order and for any partitions of the rows.

Terms are rounded once to whole numbers of 2^-24. Integers add without error, so (a + b) + c = a +
(b + c) to the last bit. Doubles do not have this property, and the same table must give the same
verdict for any number of tasks. The rounding error is at most 3e-8 per term, in both directions.

This is the unit of estimators' terms. Sums of clicks and rewards in Spark columns have the unit
2^-20 (`ltrr.spark.fixed_point`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ltrr.arrays import Longs
from ltrr.errors import DataQualityError

TERM_BITS = 24
TERM_UNIT = 2.0**-TERM_BITS
LARGEST = 2.0**62 * TERM_UNIT
"""Largest accepted term (2.7e11). A few larger terms would overflow a 64-bit sum."""

_LIMB_BITS = 21
_LIMB_MASK = (1 << _LIMB_BITS) - 1
_LIMBS = 3
_CHUNK_ROWS = 1 << 10
"""Number of rows of one matrix product.

A product of two limbs is below 2^42. 2^10 of them add up below 2^53, where doubles are exact."""

_ROWS_AT_ONCE = 1 << 19
"""Number of rows of one sum of products.

2^20 products (a part and its transpose) add up below 2^63, within 64-bit integers."""


def to_fixed(values: ArrayLike) -> Longs:
    """Values rounded to the nearest whole number of 2^-24.

    Raises:
        DataQualityError: A value is not finite or beyond 2.7e11.

    >>> to_fixed([1.0, -0.5]).tolist()
    [16777216, -8388608]
    """
    terms = np.asarray(values, dtype=np.float64)
    if not (np.abs(terms) < LARGEST).all():
        raise DataQualityError(
            "a term is too large to be summed",
            expected=f"finite, below {LARGEST:.2g}",
            got=str(terms[~(np.abs(terms) < LARGEST)][0]),
        )
    return np.rint(terms / TERM_UNIT).astype(np.int64)


def from_fixed(total: int) -> float:
    """The value of a sum of fixed-point terms.

    >>> from_fixed(25165824)
    1.5
    """
    return int(total) * TERM_UNIT


def exact_sums(rows: Longs) -> list[int]:
    """Column sums of [N, K] as Python integers, which never overflow.

    >>> exact_sums(np.array([[2**62, 1], [2**62, 2]]))
    [9223372036854775808, 3]
    """
    high = (rows >> 32).sum(axis=0)
    low = (rows & 0xFFFFFFFF).sum(axis=0)
    return [(int(h) << 32) + int(w) for h, w in zip(high.tolist(), low.tolist(), strict=True)]


def exact_products(rows: Longs) -> list[list[int]]:
    """X'X of [N, K] as Python integers, exact; unit 2^-48 when rows are fixed-point terms.

    Numbers are split into a sign and three limbs of 21 bits. A matrix product of doubles adds the
    products of limbs exactly.

    >>> exact_products(np.array([[3, -(2**40)], [1, 2**40]]))
    [[10, -2199023255552], [-2199023255552, 2417851639229258349412352]]
    """
    columns = rows.shape[1]
    totals = np.zeros((columns, columns), dtype=object)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        for (i, j), part in _limb_products(rows[start : start + _ROWS_AT_ONCE]).items():
            totals += (part if i == j else part + part.T).astype(object) << (_LIMB_BITS * (i + j))
    return [[int(value) for value in row] for row in totals.tolist()]


def exact_fourth_powers(column: Longs) -> int:
    """Sum of z^4 over [N] whole numbers as a Python integer.

    Each power is rounded to 53 bits, and their sum is exact. The mantissas of powers with one
    exponent are added up in two halves, exactly for up to 2^26 rows at once. So the sum has the
    same bits for any order and any partitions, whatever the range of the numbers.

    >>> exact_fourth_powers(np.array([3, -2, 2**40])) == 81 + 16 + 2**160
    True
    """
    total = 0
    for start in range(0, len(column), _ROWS_AT_ONCE):
        squares = column[start : start + _ROWS_AT_ONCE].astype(np.float64) ** 2
        mantissas, exponents = np.frexp(squares**2)
        whole = (mantissas * 2.0**53).astype(np.int64)
        for half, shift in ((whole >> 26, 26), (whole & ((1 << 26) - 1), 0)):
            sums = np.bincount(exponents, weights=half.astype(np.float64))
            for exponent in np.flatnonzero(sums).tolist():
                # Below 2^53 a power is a whole number, and the bits shifted out are zero.
                total += (int(sums[exponent]) << (exponent + shift)) >> 53
    return total


def _limb_products(rows: Longs) -> dict[tuple[int, int], Longs]:
    """Sums of products of limb i and limb j, i <= j; zero limbs are left out."""
    parts: dict[tuple[int, int], Longs] = {}
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows[start : start + _CHUNK_ROWS]
        signs, magnitudes = np.sign(chunk), np.abs(chunk)
        limbs = [(signs * ((magnitudes >> (_LIMB_BITS * i)) & _LIMB_MASK)).astype(np.float64) for i in range(_LIMBS)]
        # Most terms are small: their high limbs are zero.
        used = [i for i, limb in enumerate(limbs) if limb.any()]
        for i in used:
            for j in used:
                if i <= j:
                    part = (limbs[i].T @ limbs[j]).astype(np.int64)
                    parts[i, j] = parts[i, j] + part if (i, j) in parts else part
    return parts
