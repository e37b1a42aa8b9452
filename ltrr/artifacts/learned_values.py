"""The learned values of a policy: which files they are, how they are asked, and what they are computed from.

Cross-fitted (docs/adr/0008-cross-fitted-values.md): model f was trained without the query_keys of
fold f (`core.hashing.query_fold`), and every query is valued by the models of its own fold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ltrr.artifacts.declared_features import check_features
from ltrr.core.candidate_features import candidate_features
from ltrr.core.coverage import look_features
from ltrr.core.plans import PlanSpace

BLOCK_VALUE, UNSEEN_VALUE = "block_value", "unseen_value"


def block_value_file(fold: int) -> str:
    """The candidate value of one fold.

    >>> block_value_file(1)
    'block_value-1.ubj'
    """
    return f"{BLOCK_VALUE}-{fold}.ubj"


def unseen_value_file(fold: int) -> str:
    """The unseen value of one fold; where every block is visible there is none."""
    return f"{UNSEEN_VALUE}-{fold}.ubj"


def only_value_files(names: Iterable[str]) -> list[str]:
    """Those of the names that are models of values, sorted.

    >>> only_value_files(["unseen_value-0.ubj", "bandit.vw", "block_value-0.ubj"])
    ['block_value-0.ubj', 'unseen_value-0.ubj']
    """
    return sorted(name for name in names if name.startswith((f"{BLOCK_VALUE}-", f"{UNSEEN_VALUE}-")))


@dataclass(frozen=True)
class LearnedValues:
    """How the models of values are asked.

    Attributes:
        folds: of query_keys; one model of each kind a fold.
        strength: Weight of a predicted value, in examinations, relative to the memory's evidence.
    """

    folds: int
    strength: float

    def to_json(self, space: PlanSpace) -> dict[str, Any]:
        """As written in the manifest, features included."""
        return {
            "folds": self.folds,
            "strength": self.strength,
            "candidate_features": [dict(vars(feature)) for feature in candidate_features(space)],
            "look_features": [dict(vars(feature)) for feature in look_features(space)],
        }

    @staticmethod
    def of_json(described: Mapping[str, Any], space: PlanSpace) -> LearnedValues:
        """Read them back.

        Raises:
            ArtifactError: the features are not those that this version of ltrr computes.
        """
        values = LearnedValues(described["folds"], described["strength"])
        check_features(described, values.to_json(space), ("candidate_features", "look_features"))
        return values


@dataclass(frozen=True)
class StoredValues:
    """Learned values that lie in the payload store, on their way from the job that learned them to a bundle.

    Attributes:
        how: they are asked.
        files: name in a bundle -> sha256.
    """

    how: LearnedValues
    files: Mapping[str, str]

    def to_note(self) -> str:
        """As text, for the notes of a job.

        >>> stored = StoredValues(LearnedValues(2, 3.0), {"block_value-0.ubj": "00ff"})
        >>> StoredValues.of_note(stored.to_note()) == stored, StoredValues.of_note("")
        (True, None)
        """
        return json.dumps({**vars(self.how), "files": dict(self.files)}, sort_keys=True)

    @staticmethod
    def of_note(note: str) -> StoredValues | None:
        """Read them back; None of an empty note."""
        if not note:
            return None
        told = json.loads(note)
        return StoredValues(LearnedValues(told["folds"], told["strength"]), told["files"])
