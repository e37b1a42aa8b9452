"""Exact sums of several slices, merged together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ltrr.estimation.moments import ClusteredSums


@dataclass(frozen=True)
class SliceSums:
    """Sums by slice; `+` joins disjoint sets of users slice by slice.

    >>> one = SliceSums({"all": ClusteredSums.of({"n": [1.0]}, ["u1"])})
    >>> two = SliceSums({"all": ClusteredSums.of({"n": [2.0]}, ["u2"]), "long": ClusteredSums.of({"n": [2.0]}, ["u2"])})
    >>> {name: sums.total("n") for name, sums in (one + two).slices.items()}
    {'all': 3.0, 'long': 2.0}
    """

    slices: Mapping[str, ClusteredSums] = field(default_factory=dict)

    def __add__(self, other: SliceSums) -> SliceSums:
        joined = dict(self.slices)
        for name, sums in other.slices.items():
            joined[name] = joined[name] + sums if name in joined else sums
        return SliceSums(joined)

    def to_json(self) -> str:
        """As text, to cross a process."""
        return json.dumps({name: sums.to_json() for name, sums in self.slices.items()})

    @classmethod
    def from_json(cls, text: str) -> SliceSums:
        """Back from `to_json`."""
        return cls({name: ClusteredSums.from_json(sums) for name, sums in json.loads(text).items()})
