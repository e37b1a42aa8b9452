"""Learned value of every plan of a query: visible coverage, and additions of unseen blocks.

The value of a candidate is P(click | examined), predicted by the model of the query's own fold and
then combined with the memory's evidence of the pair. That model was trained without the clicks of
the query, both in serving and in training. So the model of unseen values and the bandit get the
same kind of values in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ltrr.arrays import Floats, Floats32
from ltrr.artifacts.learned_values import UNSEEN_VALUE, LearnedValues, block_value_file, unseen_value_file
from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.candidate_features import candidate_features, candidate_matrix
from ltrr.core.coverage import (
    look_features,
    look_vector,
    visible_coverage,
    with_evidence,
)
from ltrr.core.facts import CandidateFacts, Facts, overlaps_of
from ltrr.core.features import PLACES
from ltrr.core.hashing import query_fold
from ltrr.core.plan_profiles import PLAN_PROFILES, PlanProfiles
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.errors import ArtifactError
from ltrr.serving.booster import contributions, load_booster, predictions

_CACHED_LOOKS = 4_096
"""Number of looks whose values are cached, about 12 kB each. Frequent queries come repeatedly with
the same look, and a batch computes the values of every query many times."""

_NO_FACTS = Facts()


@dataclass(frozen=True, eq=False)
class CandidateValues:
    """The visible candidates of one query.

    Args:
        entity_ids: Candidates, sorted.
        features: Values of `core.candidate_features`, [E, F].
        predicted: Predicted P(click | examined), [E].
        worth: Value after the memory's evidence, by entity_id.
    """

    entity_ids: tuple[str, ...]
    features: Floats32
    predicted: Floats
    worth: Mapping[str, float]


class PlanValuer:
    """Values of plans for one policy. It pickles as the models' bytes.

    Args:
        space: The plans.
        learned: Settings of the models.
        files: Models by their name in a bundle. Without models of unseen values, unseen blocks add
            nothing, which is correct if every block is visible.

    Raises:
        ArtifactError: a model is missing, cannot be read, or was trained on other features.
    """

    def __init__(self, space: PlanSpace, learned: LearnedValues, files: Mapping[str, bytes]) -> None:
        self.space, self.learned, self._files = space, learned, dict(files)
        folds = range(learned.folds)
        columns = len(candidate_features(space, learned.groups))
        self._block_values = [self._load(block_value_file(fold), columns) for fold in folds]
        has_unseen = unseen_value_file(0) in files
        columns = len(look_features(space))
        self._unseen_values = [self._load(unseen_value_file(fold), columns) for fold in folds] if has_unseen else []
        self._profiles = [_profiles_of(model, len(space)) for model in self._unseen_values]
        self._cached_values = lru_cache(maxsize=_CACHED_LOOKS)(self._values)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments of the constructor."""
        return PlanValuer, (self.space, self.learned, self._files)

    @staticmethod
    def of(settings: PolicySettings, learned: LearnedValues | None, files: Mapping[str, bytes]) -> PlanValuer | None:
        """The valuer of a bundle; None if it has no learned values."""
        return None if learned is None else PlanValuer(settings.space, learned, files)

    def values(self, key: str, visible: Sequence[Block], facts: CandidateFacts) -> Floats:
        """Value of every plan, [P]: expected found reward of its union.

        Args:
            key: The query_key.
            visible: Blocks seen before choosing, in any order.
            facts: Facts of their candidates.
        """
        known = tuple(sorted(facts.items(), key=lambda fact: fact[0]))
        return self._cached_values(key, tuple(visible), known)

    def of_other_folds(self) -> PlanValuer:
        """The same models, each for the queries of another fold; itself with one fold.

        Its values are independent of the choice that the models of the query's own fold make,
        because both were trained on different queries. So they are a fair judge of the chosen plan:
        the highest of many predictions is more often too high than too low (cross-fitting:
        Chernozhukov et al., "Double/Debiased Machine Learning", 2018).
        """
        folds = self.learned.folds
        files = {
            name(fold): self._files[name((fold + 1) % folds)]
            for name in (block_value_file, unseen_value_file)
            for fold in range(folds)
            if name(fold) in self._files
        }
        return PlanValuer(self.space, self.learned, {**self._files, **files})

    def candidates(self, key: str, visible: Sequence[Block], facts: CandidateFacts) -> CandidateValues:
        """Value and features of each visible candidate; arguments as for `values`."""
        entity_ids, features = candidate_matrix(self.space, visible, key, overlaps_of(facts), self.learned.groups)
        predicted = predictions(self._block_values[query_fold(key, self.learned.folds)], features)
        return CandidateValues(
            entity_ids, features, predicted, worth_of(entity_ids, predicted, facts, self.learned.strength)
        )

    def contributions(self, key: str, features: Floats32) -> Floats:
        """Contribution of each feature to the log-odds of P(click | examined), [E, F + 1].

        The last column is the bias. Each row adds up to the log-odds of the candidate.
        """
        return contributions(self._block_values[query_fold(key, self.learned.folds)], features)

    def _values(self, key: str, visible: tuple[Block, ...], known: tuple[tuple[str, Facts], ...]) -> Floats:
        space, fold = self.space, query_fold(key, self.learned.folds)
        seen = self.candidates(key, visible, dict(known))
        values = visible_coverage(space, visible, seen.worth)
        if self._unseen_values:
            look = look_vector(space, visible, seen.worth, key, seen.features)
            shares = predictions(self._unseen_values[fold], look[None])
            values = values + self._profiles[fold].values(shares.reshape(1, -1))[0]
        values = np.round(values, PLACES)
        values.setflags(write=False)
        return values

    def _load(self, name: str, columns: int) -> Any:
        if name not in self._files:
            raise ArtifactError(
                "a file of the learned values is missing",
                which=name,
                expected=f"one model for each of the {self.learned.folds} folds",
            )
        return load_booster(self._files[name], columns, name)


def _profiles_of(model: Any, plans: int) -> PlanProfiles:
    text = model.attr(PLAN_PROFILES)
    profiles = None if text is None else PlanProfiles.of_text(text)
    if profiles is None or profiles.patterns.shape[1] != plans:
        raise ArtifactError(
            "a model of unseen values has not the patterns of these plans",
            which=UNSEEN_VALUE,
            expected=f"patterns over {plans} plans",
            got="none" if profiles is None else str(profiles.patterns.shape[1]),
            todo="publish again",
        )
    return profiles


def worth_of(entity_ids: Sequence[str], predicted: Floats, facts: CandidateFacts, strength: float) -> dict[str, float]:
    """Value of every candidate from its prediction and its evidence, by entity_id.

    >>> facts = {"e2": Facts(clicks=5.0, examinations=6.0)}
    >>> worth_of(("e1", "e2"), np.array([0.5, 0.5]), facts, strength=2.0)
    {'e1': 0.5, 'e2': 0.75}
    """
    known = [facts.get(entity_id, _NO_FACTS) for entity_id in entity_ids]
    clicks, examinations = [fact.clicks for fact in known], [fact.examinations for fact in known]
    return dict(zip(entity_ids, with_evidence(predicted, clicks, examinations, strength).tolist(), strict=True))
