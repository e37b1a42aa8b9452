"""Judging on a challenger's life: everybody's impressions on dates after its training, by a q-hat fixed before.

Nobody there was trained on, so all users judge. q-hat and the queries' means come from dates up to the challenger's
data end: the same dates every night, hence the same q-hat, and nothing that a later night shows can be chosen to suit.

Every night scores its whole life anew: on night k the impressions of k dates, by two policies. Over a life of 14 nights
that is 7.5 dates a night; the report on 30 % of the users of 14 dates scores 4.2. At 1,000 times the data (20 million
impressions a date, 0.3 ms a policy) the last night of a life takes 47 core-hours, half an hour on 100 executors.
Keeping each date's sums by user instead would score one date a night, and then hold and join a row a user, date and
slice: some 10 million rows of 21 whole numbers a date. Scored anew, a repaired date needs no second repair.
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
    """Exact sums by slice of every policy, users being clusters over the whole life; empty where nothing was judged.

    Args:
        before: of `judged_impressions`, on dates up to the challenger's data end: q-hat is fitted on them.
        since: of `judged_impressions`, on later dates: judged on.
        judged: champion and challenger.
        space: their plans.
        settings: of q-hat.
    """
    means = QueryMeans.of(before, settings.query_mean_strength)
    sums = sum_training_decisions(means.given_to(before, is_counted=True), space)
    if sums is None:
        return {}
    model = fit_reward_model(space, sums.products.tolist(), settings.ridge)
    scores = to_scores(means.given_to(since, is_counted=False), judged, model)
    return sum_by_slice(scores, [policy.name for policy in judged])
