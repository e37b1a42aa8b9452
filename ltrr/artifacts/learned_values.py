"""Learned values of a policy: their files, settings and features.

They are cross-fitted (docs/adr/0008-cross-fitted-values.md): model f is trained without the
query_keys of fold f (`core.hashing.query_fold`), and the models of its own fold predict the values
of a query.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ltrr.artifacts.declared_features import check_features
from ltrr.core.candidate_features import candidate_features
from ltrr.core.coverage import look_features
from ltrr.core.entity_groups import DEFAULT_CANDIDATE_GROUPS
from ltrr.core.plans import PlanSpace

BLOCK_VALUE, UNSEEN_VALUE = "block_value", "unseen_value"


def block_value_file(fold: int) -> str:
    """Name of the file of the candidate value of one fold.

    >>> block_value_file(1)
    'block_value-1.ubj'
    """
    return f"{BLOCK_VALUE}-{fold}.ubj"


def unseen_value_file(fold: int) -> str:
    """Name of the file of the unseen value of one fold; a policy that sees all blocks has none."""
    return f"{UNSEEN_VALUE}-{fold}.ubj"


def only_value_files(names: Iterable[str]) -> list[str]:
    """The names of models of values among these names, sorted.

    >>> only_value_files(["unseen_value-0.ubj", "bandit.vw", "block_value-0.ubj"])
    ['block_value-0.ubj', 'unseen_value-0.ubj']
    """
    return sorted(name for name in names if name.startswith((f"{BLOCK_VALUE}-", f"{UNSEEN_VALUE}-")))


@dataclass(frozen=True)
class LearnedValues:
    """Settings of the models of values.

    Attributes:
        folds: Number of folds of query_keys, with one model of each kind per fold.
        strength: Weight of a predicted value, in examinations, relative to the memory's evidence.
        groups: Groups of candidate features, `core.entity_groups.CANDIDATE_GROUPS`.
    """

    folds: int
    strength: float
    groups: tuple[str, ...] = DEFAULT_CANDIDATE_GROUPS

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for notes and tables; the default groups are left out.

        >>> LearnedValues(2, 3.0).to_plain()
        {'folds': 2, 'strength': 3.0}
        """
        plain: dict[str, Any] = {"folds": self.folds, "strength": self.strength}
        # Values that were stored before groups were named have no such key.
        return plain if self.groups == DEFAULT_CANDIDATE_GROUPS else plain | {"groups": list(self.groups)}

    def to_json(self, space: PlanSpace) -> dict[str, Any]:
        """The values as a manifest contains them, with all features."""
        return self.to_plain() | {
            "candidate_features": [dict(vars(feature)) for feature in candidate_features(space, self.groups)],
            "look_features": [dict(vars(feature)) for feature in look_features(space)],
        }

    @staticmethod
    def of_json(described: Mapping[str, Any], space: PlanSpace) -> LearnedValues:
        """The values from a manifest.

        Raises:
            ArtifactError: the features are not those that this version of ltrr computes.
        """
        groups = described.get("groups", DEFAULT_CANDIDATE_GROUPS)
        values = LearnedValues(described["folds"], described["strength"], groups)
        check_features(described, values.to_json(space), ("candidate_features", "look_features"))
        return values


@dataclass(frozen=True)
class StoredValues:
    """Learned values in the payload store, for a bundle that is not published yet.

    Attributes:
        learned: Settings of the values.
        files: Name in a bundle -> sha256.
    """

    learned: LearnedValues
    files: Mapping[str, str]

    def to_note(self) -> str:
        """The values as text, for the notes of a job.

        >>> stored = StoredValues(LearnedValues(2, 3.0), {"block_value-0.ubj": "00ff"})
        >>> StoredValues.of_note(stored.to_note()) == stored, StoredValues.of_note("")
        (True, None)
        """
        return json.dumps({**self.learned.to_plain(), "files": dict(self.files)}, sort_keys=True)

    @staticmethod
    def of_note(note: str) -> StoredValues | None:
        """The values from a note; None from an empty note."""
        if not note:
            return None
        stored = json.loads(note)
        files = stored.pop("files")
        return StoredValues(LearnedValues(**stored), files)
