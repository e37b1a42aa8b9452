"""Levels of nested lists as flat columns: what a loop over a record does, for all records at once.

A record has blocks, and a block has results. The results of all records are one flat level, and
each knows its record and its block. A condition on the flat level then decides about records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools, Floats, Longs

LARGEST_INT = (1 << 31) - 1
"""Largest number of an integer column."""
# From here on a double no longer holds every integer, and Python rejects one that it cannot hold.
_LARGEST_NUMBER = float(1 << 53)


@dataclass(frozen=True)
class Level:
    """Structures of one level.

    Attributes:
        values: The structures of all records, [M]; without nulls once their fields are checked.
        record: Index of the record that each belongs to, ascending, [M].
        parent: Index of the structure above that each belongs to, ascending, [M].
    """

    values: pa.StructArray
    record: Longs
    parent: Longs

    @classmethod
    def of(cls, records: pa.StructArray) -> Level:
        """The uppermost level, whose structures are the records."""
        own = np.arange(len(records))
        return cls(records, own, own)

    def __len__(self) -> int:
        """Number of structures."""
        return len(self.values)

    def field(self, *path: str) -> pa.Array:
        """A field of the structures, [M]."""
        found = self.values
        for name in path:
            found = pc.struct_field(found, name)
        return found

    def integers(self, name: str) -> Longs:
        """An integer field without nulls, [M]."""
        return np.asarray(self.field(name).to_numpy(zero_copy_only=False), dtype=np.int64)

    def below(self, name: str) -> Level:
        """The level of the lists in a field.

        >>> lists = pa.array([[{"b": 1}, {"b": 2}], [], [{"b": 3}]])
        >>> inner = Level.of(pa.StructArray.from_arrays([lists], names=["a"])).below("a")
        >>> inner.integers("b").tolist(), inner.record.tolist()
        ([1, 2, 3], [0, 0, 2])
        """
        lists = self.field(name)
        parent = parents(lists)
        return Level(lists.flatten(), self.record[parent], parent)


class Conditions:
    """The records that fulfil all conditions so far.

    >>> conditions = Conditions(3)
    >>> lists = pa.array([[{"b": 1}, {"b": -2}], [], [{"b": 3}]])
    >>> inner = Level.of(pa.StructArray.from_arrays([lists], names=["a"])).below("a")
    >>> conditions.require(inner.record, inner.integers("b") > 0)
    >>> conditions.is_good.tolist()
    [False, True, True]
    """

    def __init__(self, records: int) -> None:
        self.is_good: Bools = np.ones(records, dtype=bool)

    def require(self, record: Longs, condition: Bools) -> None:
        """A condition on structures; `record` has the record of each."""
        self.is_good[record[~condition]] = False


def parents(lists: pa.ListArray) -> Longs:
    """Index of the list of each element, [sum of lengths]."""
    return np.asarray(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False), dtype=np.int64)


def lengths(lists: pa.ListArray) -> Longs:
    """Number of elements of each list, 0 for null."""
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False), dtype=np.int64)


def all_elements(lists: pa.ListArray, test: Callable[[pa.Array], Bools]) -> Bools:
    """Whether each is a list, not null, whose elements all pass a test.

    >>> all_elements(pa.array([[1, 2], [], None, [-1]]), lambda flat: flat.to_numpy() > 0).tolist()
    [True, True, False, False]
    """
    passed = np.asarray(lists.is_valid().to_numpy(zero_copy_only=False), dtype=bool).copy()
    passed[parents(lists)[~test(lists.flatten())]] = False
    return passed


def to_floats(values: pa.Array, missing: float) -> Floats:
    """Doubles, with a number in place of nulls."""
    return np.asarray(pc.fill_null(values, missing).to_numpy(zero_copy_only=False), dtype=np.float64)


def are_numbers(values: Floats) -> Bools:
    """Whether each is finite, small enough to be exact, and not the negative zero.

    Python reads `-0` as an integer, which has no sign; Arrow keeps the sign.
    """
    return np.asarray((np.abs(values) < _LARGEST_NUMBER) & ~((values == 0.0) & np.signbit(values)), dtype=bool)


def starts_of(counts: Longs) -> Longs:
    """Place of the first element of each list, one list after the other."""
    return np.asarray(np.cumsum(counts) - counts, dtype=np.int64)


def ranges(starts: Longs, counts: Longs) -> Longs:
    """Places from each start on, as many as its count.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    return np.asarray(np.repeat(starts - starts_of(counts), counts) + np.arange(int(counts.sum())), dtype=np.int64)


def list_array(counts: Longs, values: pa.Array) -> pa.ListArray:
    """Lists of these lengths, one after the other.

    >>> list_array(np.array([2, 0, 1]), pa.array(["a", "b", "c"])).to_pylist()
    [['a', 'b'], [], ['c']]
    """
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def codes(*texts: pa.Array) -> list[Longs]:
    """A number for each text, equal for equal texts of all arrays.

    >>> [found.tolist() for found in codes(pa.array(["a", "b"]), pa.array(["b"]))]
    [[0, 1], [1]]
    """
    joined = pc.dictionary_encode(pa.concat_arrays(texts))
    every = np.asarray(joined.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    ends = np.cumsum([len(one) for one in texts])
    return np.split(every, ends[:-1])


def joined_codes(*columns: Sequence[Longs]) -> list[Longs]:
    """A number for each tuple of columns, equal for equal tuples of all groups.

    Args:
        columns: For each part of the tuple, its values in every group.

    >>> [found.tolist() for found in joined_codes(([1, 1], [1]), ([7, 8], [8]))]
    [[0, 1], [1]]
    """
    found: Any = 0
    for column in columns:
        _, inverse = np.unique(np.concatenate(column), return_inverse=True)
        _, found = np.unique(found * (len(inverse) + 1) + inverse, return_inverse=True)
    ends = np.cumsum([len(one) for one in columns[0]])
    return np.split(np.asarray(found, dtype=np.int64), ends[:-1])


def occur_once(keys: Longs) -> Bools:
    """Whether no other element has the same key.

    >>> occur_once(np.array([3, 4, 3])).tolist()
    [False, True, False]
    """
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] == 1, dtype=bool)


def place_of(keys: Longs, among: Longs) -> Longs:
    """Index of the first element of `among` that is equal to each key; -1 if there is none.

    >>> place_of(np.array([7, 5, 9]), np.array([5, 9, 5])).tolist()
    [-1, 0, 1]
    """
    if not len(among):
        return np.full(len(keys), -1, dtype=np.int64)
    distinct, first = np.unique(among, return_index=True)
    near = np.minimum(np.searchsorted(distinct, keys), len(distinct) - 1)
    return np.asarray(np.where(distinct[near] == keys, first[near], -1), dtype=np.int64)
