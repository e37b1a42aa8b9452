"""Effects of the bandit's features on the best plan, and contributions to a candidate's value.

Both are exact statements about the models. Neither is a statement about causes in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats32
from ltrr.core.candidate_features import candidate_features
from ltrr.core.vw_text import features_of, without_feature
from ltrr.serving.bandit import Choice, PlanChooser
from ltrr.serving.values import CandidateValues, PlanValuer


@dataclass(frozen=True)
class Effect:
    """Effect of one feature of the bandit on two plans: the score less the score without it.

    Effects do not add up, because features are crossed: each includes all crossings of the feature.

    Args:
        namespace: q the query and looks, v the plan's value, b its blocks.
        feature: Name of the feature in Vowpal Wabbit; empty for the whole namespace.
        best: Effect on the score of the best plan; reward.
        runner_up: Effect on the score of the second.
        difference: best - runner_up: the part of the lead that is lost without the feature.
    """

    namespace: str
    feature: str
    best: float
    runner_up: float
    difference: float


@dataclass(frozen=True)
class Contribution:
    """Contribution of one feature to the predicted value of a candidate.

    Args:
        entity_id: The candidate.
        feature: Name in `core.candidate_features`.
        value: Value of the feature; NaN if it is unknown.
        log_odds: Contribution to the log-odds of P(click | examined), which are the sum over all
            features and the bias.
    """

    entity_id: str
    feature: str
    value: float
    log_odds: float


def bandit_effects(chooser: PlanChooser, choice: Choice, places: Sequence[int]) -> tuple[Effect, ...]:
    """Effects on the two plans at `places` of the shortlist.

    Namespaces come first, then features by size of the difference. Only the two plans are scored:
    the other plans of a shortlist do not change a score.
    """
    rows = np.asarray(places)
    example = chooser.example(choice.shared, choice.distribution.shortlist[rows], choice.features[rows])
    features = features_of(example)
    left_out = [(namespace, "") for namespace in dict.fromkeys(namespace for namespace, _ in features)] + features
    full = chooser.scores_of(example)
    effects = []
    for namespace, feature in left_out:
        lost = full - chooser.scores_of(without_feature(example, namespace, feature or None))
        best, runner_up = lost.tolist()
        effects.append(Effect(namespace, feature, best, runner_up, best - runner_up))
    return tuple(sorted(effects, key=lambda effect: (effect.feature != "", -abs(effect.difference))))


def value_contributions(
    valuer: PlanValuer, key: str, seen: CandidateValues, entity_ids: Sequence[str], limit: int
) -> tuple[Contribution, ...]:
    """The `limit` largest contributions to the value of each of these candidates, largest first.

    Args:
        valuer: Learned values of the policy.
        key: The query_key, whose fold selects the model.
        seen: Result of `valuer.candidates` for the visible candidates.
        entity_ids: Candidates to explain.
        limit: Number of features of each.
    """
    names = [feature.name for feature in candidate_features(valuer.space, valuer.learned.groups)]
    rows: Floats32 = seen.features[[seen.entity_ids.index(entity_id) for entity_id in entity_ids]]
    added = valuer.contributions(key, rows)[:, :-1]
    return tuple(
        Contribution(entity_id, names[column], float(row[column]), float(log_odds[column]))
        for entity_id, row, log_odds in zip(entity_ids, rows, added, strict=True)
        for column in np.argsort(-np.abs(log_odds), kind="stable")[:limit].tolist()
    )
