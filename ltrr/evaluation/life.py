"""Evaluation on a challenger's life: all users' impressions on dates after its training, with an earlier q-hat.

These impressions were not used for training, so all users count. q-hat and the queries' means come
from dates up to the challenger's data end: the same dates every night, hence the same q-hat. So no
later data can influence the choice of q-hat.

Every night scores its whole life anew: on night k the impressions of k dates, by two policies. Over
a life of 14 nights that is 7.5 dates a night; the report on 30 % of the users of 14 dates scores
4.2. At 1,000 times the data (20 million impressions a date, 0.3 ms a policy) the last night of a
life takes 47 core-hours, half an hour on 100 executors. Keeping each date's sums by user instead
would score one date a night, but store and join a row for each user, date and slice: some 10
million rows of 21 whole numbers a date. With scoring anew, a repaired date needs no second repair.
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
    """Exact sums by slice of every policy, with users as clusters over the whole life; empty without training data.

    Args:
        before: `judged_impressions` on dates up to the challenger's data end; q-hat is fitted on
            them.
        since: `judged_impressions` on later dates, which are judged on.
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
