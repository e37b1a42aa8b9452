"""Sums by key: how two mappings of sums are joined, and the sums of several slices."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar


class TextSums(Protocol):
    """Sums that `+` joins and that a text carries from one process to another."""

    def __add__(self, other: Any) -> Any:
        """The sums of both."""

    def to_json(self) -> str:
        """The sums as text."""


Key = TypeVar("Key")
Value = TypeVar("Value")
Sums = TypeVar("Sums", bound=TextSums)


def join_by_key(one: Mapping[Key, Value], other: Mapping[Key, Value]) -> dict[Key, Value]:
    """Values of both mappings, added where a key is in both; the keys of `one` first.

    >>> join_by_key({"a": 1, "b": 2}, {"c": 3, "b": 40})
    {'a': 1, 'b': 42, 'c': 3}
    """
    joined: dict[Key, Any] = dict(one)
    for key, value in other.items():
        joined[key] = joined[key] + value if key in joined else value
    return joined


@dataclass(frozen=True)
class SliceSums(Generic[Sums]):
    """Sums by slice; `+` joins disjoint sets of users slice by slice.

    >>> from ltrr.estimation.moments import ClusteredSums
    >>> one = SliceSums({"all": ClusteredSums.of({"n": [1.0]}, ["u1"])})
    >>> two = SliceSums({name: ClusteredSums.of({"n": [2.0]}, ["u2"]) for name in ("all", "long")})
    >>> {name: sums.total("n") for name, sums in (one + two).slices.items()}
    {'all': 3.0, 'long': 2.0}
    >>> SliceSums.from_json(two.to_json(), ClusteredSums.from_json) == two
    True
    """

    slices: Mapping[str, Sums] = field(default_factory=dict)

    def __add__(self, other: SliceSums[Sums]) -> SliceSums[Sums]:
        return SliceSums(join_by_key(self.slices, other.slices))

    def to_json(self) -> str:
        """The sums as text, to cross a process."""
        return json.dumps({name: sums.to_json() for name, sums in self.slices.items()})

    @classmethod
    def from_json(cls, text: str, read_sums: Callable[[str], Sums]) -> SliceSums[Sums]:
        """Back from `to_json`.

        Args:
            text: The text.
            read_sums: Reads the sums of one slice from its text.
        """
        return cls({name: read_sums(sums) for name, sums in json.loads(text).items()})
