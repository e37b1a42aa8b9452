"""Strategy history in a bundle: hit rates of every block, by query, query class, and over all.

`history.json` contains the rates of all queries together and of each class. `history-000.npz` and
so on (`history_part`) contain those of the queries that are drawn most. A bundle without parts,
such as an old one, plans by class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ltrr.artifacts.history_part import PREFIX, HistoryPart, part_name
from ltrr.core.features import PLACES
from ltrr.core.hashing import bucket
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.errors import ArtifactError, UsageError

FILE = "history.json"


def is_history(name: str) -> bool:
    """Whether a file of this name contains history.

    >>> [is_history(name) for name in ("history.json", "history-000.npz", "memory-000.npz")]
    [True, True, False]
    """
    return name == FILE or name.startswith(PREFIX)


@dataclass(frozen=True, eq=False)
class QueryHistories:
    """Histories of single queries, of each query class, and of all queries together.

    Args:
        space: The plans, whose blocks the rates describe.
        overall: History of all queries.
        classes: Query class -> its history, shrunk to the overall one.
        parts: Histories of single queries, by hash of the key, shrunk to their class.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> digits = History(np.array([[0.5], [0.1]]), np.array([[0.2], [0.1]]))
    >>> histories = QueryHistories(space, History.prior(space), {"digits": digits})
    >>> histories.of("love").hit_rate.tolist()
    [[0.45], [0.45]]
    >>> QueryHistories.of_bytes(histories.to_bytes(), space).of("1999").hit_rate.tolist()
    [[0.5], [0.1]]
    """

    space: PlanSpace
    overall: History
    classes: Mapping[str, History] = field(default_factory=dict)
    parts: tuple[HistoryPart, ...] = ()

    @staticmethod
    def prior(space: PlanSpace) -> QueryHistories:
        """The history before any log: the planner's prior for every query."""
        return QueryHistories(space, History.prior(space))

    @staticmethod
    def of_files(files: Mapping[str, bytes], space: PlanSpace) -> QueryHistories:
        """The history in a bundle's files, or the prior if there is none; other files are ignored.

        Raises:
            ArtifactError: a part is missing, or a file is not a history of this plan space.
        """
        histories = QueryHistories.of_bytes(files[FILE], space) if FILE in files else QueryHistories.prior(space)
        names = sorted(name for name in files if name.startswith(PREFIX))
        expected = [part_name(part) for part in range(len(names))]
        if names != expected:
            raise ArtifactError(
                "a part of the history is missing", which="history", expected=", ".join(expected), got=", ".join(names)
            )
        return replace(histories, parts=tuple(HistoryPart.of_bytes(files[name], space) for name in names))

    def of(self, query_key: str) -> History:
        """The history to plan a query with: its own, else its class's, else that of all queries."""
        own = self.parts[bucket(query_key, len(self.parts))].of(query_key) if self.parts else None
        return own or self.classes.get(query_class(query_key), self.overall)

    def draws(self, query_key: str) -> float:
        """Decayed draws behind a query's own history; 0 if it has none."""
        return self.parts[bucket(query_key, len(self.parts))].draws(query_key) if self.parts else 0.0

    def to_bytes(self) -> bytes:
        """The file `history.json`, with rates rounded as features are.

        Keys are sorted, so equal rates give equal bytes.

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
    def of_bytes(data: bytes, space: PlanSpace) -> QueryHistories:
        """Read the file `history.json`.

        Raises:
            ArtifactError: the bytes are not a history of this plan space.
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
            histories = QueryHistories(
                space,
                _history(described["all"]),
                {name: _history(rates) for name, rates in described["classes"].items()},
            )
            for history in (histories.overall, *histories.classes.values()):
                history.check(space)
        except (ValueError, KeyError, TypeError, UsageError) as fault:
            raise ArtifactError("not a history", which=FILE, got=str(fault), todo="publish again") from fault
        return histories


def _rates(history: History) -> dict[str, Any]:
    return {
        "hit_rate": np.round(history.hit_rate, PLACES).tolist(),
        "marginal_hit_rate": np.round(history.marginal_hit_rate, PLACES).tolist(),
    }


def _history(rates: Mapping[str, Any]) -> History:
    return History(
        np.array(rates["hit_rate"], dtype=np.float64), np.array(rates["marginal_hit_rate"], dtype=np.float64)
    )
