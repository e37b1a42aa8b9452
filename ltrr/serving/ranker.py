"""The order of a page: by XGBoost if the bundle has a ranker, otherwise reciprocal rank fusion.

The page depends on the set of drawn blocks only. Features come from `core.ranker_features`, and
entities of equal score are in order of entity_id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.entity_groups import DEFAULT_RANKER_GROUPS
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.ranker_features import ranker_features, ranker_matrix
from ltrr.serving.booster import load_booster

Overlaps = Mapping[str, Sequence[float]]
"""entity_id -> `core.text_overlap` with the query, for entities whose fields are known."""

NO_OVERLAPS: Overlaps = MappingProxyType({})

Page = tuple[str, Sequence[Block]]
"""(query_key, drawn blocks) of one search."""


@dataclass(frozen=True, eq=False)
class Slate:
    """Entities in the order of the page, with their ranker features, [E, F]."""

    entity_ids: tuple[str, ...]
    features: Floats

    def top(self, positions: int) -> Slate:
        """The first `positions` of the page."""
        return Slate(self.entity_ids[:positions], self.features[:positions])


class Ranker:
    """Ranker of one policy.

    Args:
        space: The plans, whose strategies the features describe.
        model: XGBoost's own `ubj` bytes, or None.
        groups: Groups of the ranker's features, `core.entity_groups`.

    Raises:
        ArtifactError: the model cannot be read, or was trained on another number of features.

    >>> title = Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0))
    >>> drawn = [title, Block("memory", 1, "ok", ("e2",), (0.5,))]
    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> Ranker(space, None).rank("the matrix", drawn).entity_ids
    ('e2', 'e1')
    """

    def __init__(self, space: PlanSpace, model: bytes | None, groups: tuple[str, ...] = DEFAULT_RANKER_GROUPS) -> None:
        self.space, self.groups = space, groups
        self._model = model
        names = [feature.name for feature in ranker_features(space, groups)]
        self._fusion = names.index("fusion")
        self._booster = None if model is None else load_booster(model, len(names), "ranker.ubj")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments of the constructor."""
        return Ranker, (self.space, self._model, self.groups)

    def rank(self, key: str, drawn: Sequence[Block], overlaps: Overlaps = NO_OVERLAPS) -> Slate:
        """Order one union."""
        return self.rank_many([(key, drawn)], [overlaps])[0]

    @property
    def uses_overlaps(self) -> bool:
        """Whether a feature needs the fields of the entities."""
        return "overlaps" in self.groups

    def rank_many(self, pages: Sequence[Page], overlaps: Sequence[Overlaps] | None = None) -> list[Slate]:
        """Order many unions with one prediction; each result is that of `rank`.

        Args:
            pages: The unions.
            overlaps: Overlaps of each page; by default none is known.
        """
        known = overlaps if overlaps is not None else [NO_OVERLAPS] * len(pages)
        unions = [
            ranker_matrix(self.space, drawn, key, self.groups, of_page)
            for (key, drawn), of_page in zip(pages, known, strict=True)
        ]
        scores = self._scores([matrix for _, matrix in unions])
        slates: list[Slate] = []
        start = 0
        for entity_ids, matrix in unions:
            # entity_ids are sorted and the sort is stable: equal scores stay in order of entity_id.
            order = np.argsort(-scores[start : start + len(entity_ids)], kind="stable")
            start += len(entity_ids)
            slates.append(Slate(tuple(entity_ids[place] for place in order.tolist()), matrix[order]))
        return slates

    def _scores(self, matrices: Sequence[Floats]) -> Floats:
        if not matrices:
            return np.empty(0)
        joined = np.concatenate(matrices)
        if self._booster is None or not len(joined):
            return np.asarray(joined[:, self._fusion])
        return np.asarray(self._booster.inplace_predict(joined), dtype=np.float64)
