"""Strategy history as it travels in a bundle: hit rates of every block, for all queries and for each query class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltrr.core.features import PLACES
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.errors import ArtifactError, UsageError

FILE = "history.json"


@dataclass(frozen=True, eq=False)
class HistoryBook:
    """Histories by query class, with one for the classes that have none.

    Args:
        space: whose blocks the rates are of.
        overall: over all queries.
        classes: query class -> its own history (already shrunk to the overall one by whoever made it).

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> digits = History(np.array([[0.5], [0.1]]), np.array([[0.2], [0.1]]))
    >>> book = HistoryBook(space, History.prior(space), {"digits": digits})
    >>> HistoryBook.of_bytes(book.to_bytes(), space).of("digits").hit_rate.tolist(), book.of("long").hit_rate.tolist()
    ([[0.5], [0.1]], [[0.45], [0.45]])
    """

    space: PlanSpace
    overall: History
    classes: Mapping[str, History] = field(default_factory=dict)

    @staticmethod
    def prior(space: PlanSpace) -> HistoryBook:
        """Before any log: the planner's prior for every class."""
        return HistoryBook(space, History.prior(space))

    def of(self, query_class: str) -> History:
        """The history that a query of this class is planned with."""
        return self.classes.get(query_class, self.overall)

    def to_bytes(self) -> bytes:
        """JSON with sorted keys and rates rounded as features are; the same rates give the same bytes.

        Raises:
            UsageError: a rate is negative or not finite, or a shape is wrong.
        """
        for history in (self.overall, *self.classes.values()):
            history.check(self.space)
        described = {
            "strategies": list(self.space.strategies),
            "budget": self.space.budget,
            "all": _rates(self.overall),
            "classes": {name: _rates(history) for name, history in self.classes.items()},
        }
        return json.dumps(described, sort_keys=True, allow_nan=False).encode()

    @staticmethod
    def of_bytes(data: bytes, space: PlanSpace) -> HistoryBook:
        """Read it back.

        Raises:
            ArtifactError: it is not a history of this plan space.
        """
        try:
            described = json.loads(data)
            if described["strategies"] != list(space.strategies) or described["budget"] != space.budget:
                raise ArtifactError(
                    "a history of other strategies",
                    which=FILE,
                    expected=f"{', '.join(space.strategies)}; budget {space.budget}",
                    got=f"{', '.join(described['strategies'])}; budget {described['budget']}",
                    todo="publish with a history of the same strategies",
                )
            book = HistoryBook(
                space,
                _history(described["all"]),
                {name: _history(rates) for name, rates in described["classes"].items()},
            )
            for history in (book.overall, *book.classes.values()):
                history.check(space)
        except (ValueError, KeyError, TypeError, UsageError) as fault:
            raise ArtifactError("not a history", which=FILE, got=str(fault), todo="publish again") from fault
        return book


def _rates(history: History) -> dict[str, Any]:
    return {
        "hit_rate": np.round(history.hit_rate, PLACES).tolist(),
        "marginal_hit_rate": np.round(history.marginal_hit_rate, PLACES).tolist(),
    }


def _history(rates: Mapping[str, Any]) -> History:
    return History(
        np.array(rates["hit_rate"], dtype=np.float64), np.array(rates["marginal_hit_rate"], dtype=np.float64)
    )
