"""What moved a choice: which features of the bandit set the best plan apart, and which features a candidate's value.

Both are exact statements about the models that were asked, and neither says what would be true of
the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltrr.core.arrays import Floats32
from ltrr.core.candidate_features import candidate_features
from ltrr.core.vw_text import features_of, without_feature
from ltrr.serving.bandit import Choice, PlanChooser
from ltrr.serving.values import CandidateValues, PlanValuer


@dataclass(frozen=True)
class Effect:
    """What one feature of the bandit does to two plans: score as it is, less the score without the feature.

    Effects of crossed features do not add up: each counts the crossings that it takes part in.

    Args:
        namespace: q the query and looks, v the plan's value, b its blocks.
        feature: as Vowpal Wabbit knows it; empty for the whole namespace.
        best: on the score of the best plan; reward.
        runner_up: on the score of the second.
        difference: best less runner_up: how much of the lead is lost without the feature.
    """

    namespace: str
    feature: str
    best: float
    runner_up: float
    difference: float


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to the value that was predicted for a candidate.

    Args:
        entity_id: the candidate.
        feature: of `core.candidate_features`.
        value: of the feature; NaN where it was not known.
        log_odds: what it adds to the log-odds of P(click | examined); those of all features and the
            bias add up.
    """

    entity_id: str
    feature: str
    value: float
    log_odds: float


def bandit_effects(chooser: PlanChooser, choice: Choice, places: Sequence[int]) -> tuple[Effect, ...]:
    """Effects on the two plans that stand at `places` of the shortlist: namespaces first, then by size of difference.

    The two are scored on their own: what else is in a shortlist changes no score.
    """
    rows = np.asarray(places)
    example = chooser.example(choice.shared, choice.distribution.shortlist[rows], choice.features[rows])
    features = features_of(example)
    asked = [(namespace, "") for namespace in dict.fromkeys(namespace for namespace, _ in features)] + features
    full = chooser.scores_of(example)
    effects = []
    for namespace, feature in asked:
        lost = full - chooser.scores_of(without_feature(example, namespace, feature or None))
        best, runner_up = lost.tolist()
        effects.append(Effect(namespace, feature, best, runner_up, best - runner_up))
    return tuple(sorted(effects, key=lambda effect: (effect.feature != "", -abs(effect.difference))))


def value_contributions(
    valuer: PlanValuer, key: str, seen: CandidateValues, entity_ids: Sequence[str], limit: int
) -> tuple[Contribution, ...]:
    """The `limit` largest contributions to the value of each of these candidates, largest first.

    Args:
        valuer: of the policy.
        key: the query_key, which decides whose model is asked.
        seen: what the valuer said of the visible candidates.
        entity_ids: some of them.
        limit: features of each.
    """
    names = [feature.name for feature in candidate_features(valuer.space, valuer.learned.groups)]
    rows: Floats32 = seen.features[[seen.entity_ids.index(entity_id) for entity_id in entity_ids]]
    added = valuer.contributions(key, rows)[:, :-1]
    return tuple(
        Contribution(entity_id, names[column], float(row[column]), float(log_odds[column]))
        for entity_id, row, log_odds in zip(entity_ids, rows, added, strict=True)
        for column in np.argsort(-np.abs(log_odds), kind="stable")[:limit].tolist()
    )
