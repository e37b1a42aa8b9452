"""Exact sums and cross products of many terms, block by block, at about the speed of doubles.

A term is a whole number of 2^-24 (`estimation.fixed_point`), held in a double. It is split into a
high part and a low part of 20 bits:

    f = high 2^20 + low,   |low| <= 2^19.

One matrix product of doubles then adds the products of a block of 8,192 rows without rounding, as
long as the squares of the high parts add up to at most 2^52. Blocks are added up in 64-bit
integers. A block with larger terms (65,536 in every row) is summed by the slower functions of
`estimation.fixed_point`, to the same integers. So the result does not depend on the blocks.
"""

from __future__ import annotations

from math import frexp

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.errors import DataQualityError
from ltrr.estimation.fixed_point import (
    LARGEST,
    TERM_BITS,
    TERM_UNIT,
    exact_fourth_powers,
    exact_products,
    exact_sums,
    to_fixed,
)

BLOCK_ROWS = 1 << 13
"""Maximum number of rows added at once; their terms fit in the cache of a core."""

_LOW_BITS = 20
_EASY = 2.0 ** (2 * _LOW_BITS)
_EASY_SQUARES = 2.0**52
"""Largest sum of the squares of the high parts for which sums of doubles are exact.

By the Cauchy-Schwarz inequality, no partial sum of products of high parts then exceeds 2^52. No
partial sum of products with low parts (at most 2^19 each), or of the terms, exceeds 2^53."""
_PART_BITS = 28
_BLOCKS_BEFORE_CARRY = 1 << 9
"""Number of blocks between carries.

A block's sums are at most 2^53, so 2^9 of them, and of their transposes, stay below 2^63."""


def exact_total(values: Floats) -> int:
    """Sum of [N] numbers, each rounded to a whole number of 2^-24.

    >>> exact_total(np.array([0.5, 0.25, 2.0**30])) / 2**24 == 2**30 + 0.75
    True
    """
    fixed = np.rint(values * 2.0**TERM_BITS)
    if np.abs(fixed).max(initial=0.0) * len(fixed) <= 2.0**53:
        return int(fixed.sum())
    return exact_sums(to_fixed(values)[:, None])[0]


class ExactSums:
    """Totals of K terms, cross products of the first P, and the sum of fourth powers of one.

    All sums start at zero.

    >>> sums = ExactSums(terms=2, crossed=1, tail=1)
    >>> sums.add(np.array([[3.0, -(2.0**50)], [1.0, 2.0]]))
    >>> sums.totals, sums.products, sums.fourths
    ([-1125899906842621, 3], [[1267650600228229401496703205385]], 17)
    """

    def __init__(self, *, terms: int, crossed: int, tail: int) -> None:
        self._tail, self.fourths = tail, 0
        self._totals = [0] * terms
        self._products = np.zeros((crossed, crossed), dtype=object)
        self._sums = np.zeros(terms, dtype=np.int64)
        self._limbs = np.zeros((2 * crossed, 2 * crossed), dtype=np.int64)
        self._blocks = 0
        self._parts = np.empty((2 * crossed, BLOCK_ROWS))

    def add(self, block: Floats | Longs) -> None:
        """Add one block of terms, [K, n].

        Args:
            block: Whole numbers of 2^-24, as doubles or as integers; n is at most `BLOCK_ROWS`.

        Raises:
            DataQualityError: A term is not finite or beyond 2.7e11.
        """
        crossed = len(self._products)
        largest = _largest(block[crossed:])
        with np.errstate(invalid="ignore", over="ignore"):  # Terms that are not finite are refused below.
            parts = _split_parts(block[:crossed], self._parts[:, : block.shape[1]])
            limbs = parts @ parts.T
        # Terms too large for doubles have squares above the limit; NaN fails every comparison.
        is_easy = bool((np.diagonal(limbs)[:crossed] <= _EASY_SQUARES).all())
        if is_easy:
            self._limbs += limbs.astype(np.int64)
        else:
            _check(block[:crossed], _largest(block[:crossed]))
            self._products += np.array(exact_products(block[:crossed].T.astype(np.int64)), dtype=object)
        if is_easy and (largest <= _EASY).all():
            self._sums += block.sum(axis=1).astype(np.int64)
        else:
            _check(block[crossed:], largest)
            hard = exact_sums(block.T.astype(np.int64))
            self._totals = [total + more for total, more in zip(self._totals, hard, strict=True)]
        tail = block[self._tail]
        self.fourths += fourth_powers(tail, float(_largest(tail[None, :])[0]))
        self._blocks += 1
        if self._blocks == _BLOCKS_BEFORE_CARRY:
            self._carry()

    @property
    def totals(self) -> list[int]:
        """Sum of each term, [K], unit 2^-24."""
        self._carry()
        return self._totals

    @property
    def products(self) -> list[list[int]]:
        """Sums of products of two terms, [P][P], unit 2^-48."""
        self._carry()
        return [[int(value) for value in row] for row in self._products.tolist()]

    def _carry(self) -> None:
        """Move the sums from 64-bit integers to Python integers, which never overflow."""
        self._totals = [total + more for total, more in zip(self._totals, self._sums.tolist(), strict=True)]
        crossed = len(self._products)
        high, low = slice(0, crossed), slice(crossed, None)
        mixed = self._limbs[high, low] + self._limbs[low, high]
        for part, shift in ((self._limbs[high, high], 2), (mixed, 1), (self._limbs[low, low], 0)):
            self._products += part.astype(object) << (_LOW_BITS * shift)
        self._sums[:] = 0
        self._limbs[:] = 0
        self._blocks = 0


def fourth_powers(column: Floats | Longs, largest: float) -> int:
    """The result of `fixed_point.exact_fourth_powers`, faster for small numbers.

    A power is rounded to the 53 bits of a double and split into parts of 28 bits. The sum of each
    part is exact.

    Args:
        column: Whole numbers, [N]. The fast way needs N <= 2^13.
        largest: The largest absolute value.

    >>> fourth_powers(np.array([3.0, -2.0, 2.0**40]), 2.0**40) == 81 + 16 + 2**160
    True
    """
    if largest > _EASY or len(column) > BLOCK_ROWS:
        return exact_fourth_powers(column.astype(np.int64))
    rest = np.square(np.square(column, dtype=np.float64))
    total = 0
    for shift in range(_PART_BITS * (frexp(largest**4)[1] // _PART_BITS), 0, -_PART_BITS):
        part = np.floor(rest * 2.0**-shift)
        total += int(part.sum()) << shift
        rest -= part * 2.0**shift
    return total + int(rest.sum())


def _split_parts(block: Floats | Longs, parts: Floats) -> Floats:
    """High and low parts of a block [P, n], written into `parts`, [2P, n]."""
    high, low = parts[: len(block)], parts[len(block) :]
    np.multiply(block, 2.0**-_LOW_BITS, out=high)
    np.rint(high, out=high)
    np.multiply(high, -(2.0**_LOW_BITS), out=low)
    low += block
    return parts


def _largest(block: Floats | Longs) -> Floats | Longs:
    """Largest absolute value of each row of [K, n].

    It is computed from maximum and minimum, without another array of the block's size.
    """
    return np.asarray(np.maximum(block.max(axis=1, initial=0), -block.min(axis=1, initial=0)))


def _check(block: Floats | Longs, largest: Floats | Longs) -> None:
    if not (largest < LARGEST / TERM_UNIT).all():
        bad = block[~(np.abs(block) < LARGEST / TERM_UNIT)]
        raise DataQualityError(
            "a term is too large to be summed", expected=f"finite, below {LARGEST:.2g}", got=str(bad[0] * TERM_UNIT)
        )
