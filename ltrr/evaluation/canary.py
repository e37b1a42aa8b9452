"""What a canary is worth, from the log of its users and of the champion's.

The version was drawn by user with a logged probability, so an impression that version v served stands for
1{version = v} / P(version) impressions, whatever else was changed at once: bandit, ranker, values, memory. Of side v,

    value = sum(1{version = v} / P(version) x page_reward) / sum(1{version = v} / P(version)),

the self-normalised (Hajek) estimate. Dividing by the number of all impressions instead (plain IPS) is unbiased too, but
its error holds the chance of *how many* searches fell to a side: at a share of .1 ten users more or less would count as
a gain or a loss of the canary. Here only what the users of a side earned on average counts, and a share that changed is
no trouble. The bias is of the order of 1 / users. A user is on one side, and is one cluster: the standard error of the
difference is that of two independent groups of users. Hajek, 1971; Deng et al., "Applying the Delta Method in Metric
Analytics", KDD 2018.

Weights of both sides average 1 where users were drawn as the log says. Where they do not, the verdict says so: in
experiments that is called a sample ratio mismatch, and means that one side loses searches or records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from math import isnan
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.pointer import Pointer, pointer_at
from ltrr.artifacts.store import Store
from ltrr.core.fixed_point import UNIT
from ltrr.core.intervals import estimate_difference, estimate_ratio
from ltrr.core.moments import ClusteredSums
from ltrr.evaluation.estimates import REWARD, difference_of, figures_of, footing_of
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.scoring import N, sum_terms, term
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.evaluation.verdict import Footing

CANARY = "canary"
DIFFERENCE = difference_of(CANARY)
BY_USER = "by_user"
"""The estimator of a canary's rows in `ope_estimates`."""

SIDES = (CHAMPION, CANARY)
TERMS = (N, "w", "w_squared", "wr", "wr_squared", "unsupported")
NAMES = (N, *(term(side, name) for side in SIDES for name in TERMS))


@dataclass(frozen=True)
class CanaryLife:
    """Which versions were on which side of one canary: both are refreshed every night, and get another version.

    Two versions were one beside the other in no other life, but where a person ended it and began it again before a
    night had refreshed them: then it counts from its first begin.

    Attributes:
        champions, canaries: versions of either side, oldest first.
    """

    champions: tuple[str, ...]
    canaries: tuple[str, ...]

    @property
    def first_date(self) -> date:
        """Nothing was served by both before it: the date of the night that made the first champion of this life.

        >>> CanaryLife(("2026-03-02-5b1f0c9e77aa",), ("2026-02-28-77aa5b1f0c9e",)).first_date
        datetime.date(2026, 3, 2)
        """
        return date.fromisoformat(self.champions[0][:10])


def canary_life(store: Store, newest: Pointer) -> CanaryLife | None:
    """The life so far of the canary that a pointer names, from the pointers before it; None where it names none.

    One small file a night of its life is read. Later pointers are not: a night that is run again sees what it saw.
    """
    if newest.canary is None:
        return None
    pairs = {(newest.version, newest.canary.version): None}
    for sequence in range(newest.sequence - 1, 0, -1):
        pointer = pointer_at(store, sequence)
        if pointer.canary is None or pointer.canary.begun != newest.canary.begun:
            break
        pairs[pointer.version, pointer.canary.version] = None
    champions, canaries = zip(*reversed(pairs), strict=True)
    return CanaryLife(tuple(dict.fromkeys(champions)), tuple(dict.fromkeys(canaries)))


def drawn_impressions(impressions: DataFrame, life: CanaryLife) -> DataFrame:
    """Impressions whose version was drawn in this life, with `side`; same grain.

    What was served without a draw (a search without a user, a machine on which the canary's bundle did not hold) shows
    nothing of the canary and is left out for the users of both sides alike.
    """
    drawn = impressions.where(F.col("version_propensity") < 1.0)
    side = F.when(F.col("policy_version").isin(list(life.canaries)), F.lit(CANARY)).when(
        F.col("policy_version").isin(list(life.champions)), F.lit(CHAMPION)
    )
    return drawn.withColumn("side", side).where(F.col("side").isNotNull())


def fallback_shares(drawn: DataFrame) -> dict[str, float]:
    """Side -> share of its impressions that fell back, of `drawn_impressions`."""
    is_fallback = F.avg((F.col("served_by") == "fallback").cast("double"))
    return {row["side"]: row["share"] for row in drawn.groupBy("side").agg(is_fallback.alias("share")).collect()}


def to_canary_terms(drawn: DataFrame, slate_rows: DataFrame) -> DataFrame:
    """From `drawn_impressions` and their slates to user_key, query_class and the terms of both sides.

    Fallbacks are left out. Whole numbers of 2^-24 from the first sum on, so that any order gives the same bits. The
    join is by log_date and impression_id, both sides of the same few dates: one shuffle at any size.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(F.sum(_whole(F.col("page_reward"))).alias("earned"))
    served = drawn.where(F.col("served_by") == "policy").join(rewards, on=["log_date", "impression_id"], how="left")
    reward = F.coalesce(F.col("earned"), F.lit(0)) * F.lit(UNIT)
    columns = [_whole(F.lit(1.0)).alias(N)]
    for side in SIDES:
        weight = F.when(F.col("side") == side, F.lit(1.0) / F.col("version_propensity")).otherwise(F.lit(0.0))
        weighted = weight * reward
        own = (F.col("side") == side).cast("double")
        terms = (own, weight, weight * weight, weighted, weighted * weighted, F.lit(0.0))
        columns += [_whole(value).alias(term(side, name)) for name, value in zip(TERMS, terms, strict=True)]
    return served.select("user_key", "query_class", *columns)


def sum_canary(drawn: DataFrame, slate_rows: DataFrame) -> dict[str, ClusteredSums]:
    """Exact sums by user of every slice; empty where nothing was drawn."""
    return sum_terms(to_canary_terms(drawn, slate_rows), NAMES)


def canary_rows(
    as_of_date: date,
    slices: Mapping[str, ClusteredSums],
    life: CanaryLife,
    fallbacks: Mapping[str, float],
    settings: EvaluationSettings,
) -> list[dict[str, Any]]:
    """Rows of `ope_estimates`, estimator `by_user`: champion, canary, and the difference of the two, of every slice."""
    versions = {CHAMPION: life.champions[-1], CANARY: life.canaries[-1]}
    versions[DIFFERENCE] = f"{versions[CANARY]} against {versions[CHAMPION]}"
    rows = []
    for name, sums in sorted(slices.items()):
        # A side rests on what it served itself. How many users that were, R by user tells: it is never larger.
        counts = {side: round(sums.total(term(side, N))) for side in SIDES}
        footings = {
            side: replace(footing_of(sums, side, fallbacks.get(side, 0.0)), impressions=counts[side]) for side in SIDES
        }
        footings[DIFFERENCE] = _of_both(footings[CANARY], footings[CHAMPION])
        counts[DIFFERENCE] = round(sums.total(N))
        estimates = {side: estimate_ratio(sums, *_ratio(side)) for side in SIDES}
        estimates[DIFFERENCE] = estimate_difference(sums, _ratio(CANARY), _ratio(CHAMPION))
        rows += [
            figures_of(estimate, footings[policy], settings)
            | {"as_of_date": as_of_date, "judged_on": CANARY, "policy": policy, "policy_version": versions[policy]}
            | {"estimator": BY_USER, "slice": name, "reward": REWARD, "impressions": counts[policy]}
            for policy, estimate in estimates.items()
        ]
    return rows


def _of_both(canary: Footing, champion: Footing) -> Footing:
    """What the difference rests on: the weaker side, but for evidence that is missing because the canary is bad.

    A canary that earns next to nothing has next to no rewards to rest on, and nobody would ever end it for that. Were
    it as good as the champion, it would have the champion's R in proportion to its impressions: that it has not is the
    evidence.
    """
    if not champion.impressions:
        return canary.weaker(champion)
    share = min(canary.impressions / champion.impressions, 1.0)

    def evidence(of_canary: float, of_champion: float) -> float:
        expected = share * of_champion
        return expected if isnan(of_canary) else max(min(of_canary, of_champion), expected)

    return replace(
        canary.weaker(champion),
        evidence=evidence(canary.evidence, champion.evidence),
        evidence_of_users=evidence(canary.evidence_of_users, champion.evidence_of_users),
    )


def _ratio(side: str) -> tuple[str, str]:
    return term(side, "wr"), term(side, "w")


def _whole(value: Column) -> Column:
    return F.round(value / F.lit(UNIT)).cast("bigint")
