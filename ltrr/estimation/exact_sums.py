"""Exact sums and cross products of many terms, block by block, at about the speed of plain doubles.

A term is a whole number of 2^-24 (`estimation.fixed_point`), held in a double. Cut into a high and
a low part of 20 bits, a block of 8,192 rows has products that one matrix product of doubles adds
without rounding:

    f = high 2^20 + low,   |low| <= 2^19,   exact while the high parts' squares add up to 2^52 at most.

Blocks add up in 64-bit integers. A block with larger terms (65,536 in every row) takes the slower
way of `estimation.fixed_point`, to the same integers. So the result does not depend on the cut into
blocks.
"""

from __future__ import annotations

from math import frexp

import numpy as np

from ltrr.errors import DataQualityError
from ltrr.estimation.arrays import Floats, Longs
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
"""Largest number of rows added at once; they and their terms fit in a core's cache."""

_LOW_BITS = 20
_EASY = 2.0 ** (2 * _LOW_BITS)
_EASY_SQUARES = 2.0**52
"""Largest sum of the high parts' squares. Then, by Cauchy and Schwarz, no partial sum of products
of high parts exceeds 2^52, and none with low parts (at most 2^19 each) or of the terms themselves
exceeds 2^53."""
_PART_BITS = 28
_BLOCKS_BEFORE_CARRY = 1 << 9
"""Blocks between carries: sums of a block are at most 2^53, so that 2^9 of them (and a transpose) stay below 2^63."""


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
    """Totals of K terms, cross products of the first P, and fourth powers of one; zero at the start.

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
        """Add one block, [K, n], n at most `BLOCK_ROWS`: whole numbers of 2^-24, as doubles or as integers.

        Raises:
            DataQualityError: A term is not finite or beyond 2.7e11.
        """
        crossed = len(self._products)
        largest = _largest(block[crossed:])
        with np.errstate(invalid="ignore", over="ignore"):  # terms that are not finite are refused below
            parts = _in_parts(block[:crossed], self._parts[:, : block.shape[1]])
            limbs = parts @ parts.T
        # If the terms are too large for doubles, so are these; NaN fails every comparison.
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
        """From 64-bit integers to Python's, which never overflow."""
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
    """`fixed_point.exact_fourth_powers` of [N <= 2^13] numbers up to `largest`: powers rounded, their sum exact.

    A power is a whole number of which doubles keep 53 bits. Cut into parts of 28 bits, each part
    adds up exactly.

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


def _in_parts(block: Floats | Longs, parts: Floats) -> Floats:
    """High and low parts of [P, n], written into `parts`, [2P, n]."""
    high, low = parts[: len(block)], parts[len(block) :]
    np.multiply(block, 2.0**-_LOW_BITS, out=high)
    np.rint(high, out=high)
    np.multiply(high, -(2.0**_LOW_BITS), out=low)
    low += block
    return parts


def _largest(block: Floats | Longs) -> Floats | Longs:
    """Largest absolute value of each row of [K, n], from maximum and minimum, which needs no further block."""
    return np.asarray(np.maximum(block.max(axis=1, initial=0), -block.min(axis=1, initial=0)))


def _check(block: Floats | Longs, largest: Floats | Longs) -> None:
    if not (largest < LARGEST / TERM_UNIT).all():
        bad = block[~(np.abs(block) < LARGEST / TERM_UNIT)]
        raise DataQualityError(
            "a term is too large to be summed", expected=f"finite, below {LARGEST:.2g}", got=str(bad[0] * TERM_UNIT)
        )
