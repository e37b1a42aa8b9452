"""Evaluation on a challenger's life: the impressions of all users on dates after its training.

These impressions were not used for training, so all users count. q-hat and the queries' means come
from dates up to the challenger's data end. These are the same dates every night, so q-hat is the
same every night, and no later data can influence its choice.

Every night scores the whole life again: on night k the impressions of k dates, by two policies.
Over a life of 14 nights that is 7.5 dates per night; the report on 30 % of the users of 14 dates
scores 4.2. With 20 million impressions per date and 0.3 ms per policy, the last night of a life
takes 47 core-hours, half an hour on 100 executors. The alternative is to store each date's sums by
user and to score one date per night. It would store and join about 10 million rows of 21 whole
numbers per date, one for each user and slice. It would also need a second repair after a repair of
a date, which scoring again does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from ltrr.core.plans import PlanSpace
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.query_means import QueryMeans
from ltrr.evaluation.reward_model import fit_reward_model
from ltrr.evaluation.scoring import sum_by_slice, to_scores
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.evaluation.training_sums import sum_training_decisions


def sum_life(
    before: DataFrame,
    since: DataFrame,
    judged: Sequence[JudgedPolicy],
    space: PlanSpace,
    settings: EvaluationSettings,
) -> Mapping[str, ClusteredSums]:
    """Exact sums by slice of every policy, with users as clusters over the whole life.

    The result is empty without training data.

    Args:
        before: `judged_impressions` on dates up to the challenger's data end, on which q-hat is
            fitted.
        since: `judged_impressions` on later dates, which the estimates use.
        judged: Champion and challenger.
        space: Their plans.
        settings: Settings of q-hat.
    """
    means = QueryMeans.of(before, settings.query_mean_strength)
    sums = sum_training_decisions(means.with_query_mean(before, is_counted=True), space)
    if sums is None:
        return {}
    model = fit_reward_model(space, sums.products.tolist(), settings.ridge)
    scores = to_scores(means.with_query_mean(since, is_counted=False), judged, model)
    return sum_by_slice(scores, [policy.name for policy in judged])
