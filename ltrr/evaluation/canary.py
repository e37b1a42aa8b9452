"""The value of a canary, from the logs of its users and of the champion's users.

The version was drawn by user with a logged probability. So an impression that version v served has
the weight 1{version = v} / P(version), whatever changed with the version: bandit, ranker, values,
memory. The value of side v is the self-normalised (Hajek) estimate

    value = sum(1{version = v} / P(version) x page_reward) / sum(1{version = v} / P(version)).

Dividing by the number of all impressions instead (IPS) is unbiased too. But its error includes the
random *number* of searches of a side: at a share of .1, ten users more or less would count as a
gain or a loss of the canary. The self-normalised estimate depends only on the average reward of a
side's users, not on its share. Its bias is of the order of 1 / users. A user is on one side, and is
one cluster. So the standard error of the difference is that of two independent groups of users.
Hajek, 1971; Deng et al., "Applying the Delta Method in Metric Analytics", KDD 2018.

A sample-ratio mismatch forbids a promotion. It means that one side loses searches or records, or
that users were not drawn as logged; then the two sides are no experiment. Every night runs two
tests (`find_mismatch`): one on users, who are drawn, and one on impressions. The mean weight of
impressions is 1 on both sides if no record is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf, isnan
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.pointer import Pointer, read_pointer
from ltrr.artifacts.store import Store
from ltrr.estimation import estimators
from ltrr.estimation.evidence import EvidenceSummary
from ltrr.estimation.fixed_point import TERM_UNIT
from ltrr.estimation.intervals import estimate_sum, estimate_sum_difference, quantile
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sample_ratio import compute_ratio_p_value
from ltrr.estimation.verdict import DO_NOT_USE
from ltrr.evaluation.estimates import REWARD, build_figures, difference_of, summarize_policy
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.scoring import EVIDENCE, N, list_ratios, sum_terms, term
from ltrr.evaluation.settings import EvaluationSettings

CANARY = "canary"
DIFFERENCE = difference_of(CANARY)
BY_USER = estimators.BY_USER.name
"""Name of the estimator in a canary's rows of `ope_estimates`."""

SIDES = (CHAMPION, CANARY)
TERMS = (N, *EVIDENCE, "unsupported")
NAMES = (N, *(term(side, name) for side in SIDES for name in TERMS))


@dataclass(frozen=True)
class CanaryLife:
    """The versions on both sides of one canary.

    Every night refreshes both sides, which gives them new versions. A pair of versions belongs to
    one life only, with one exception: a person ended the canary and began it again before a night
    had refreshed it. Then the life counts from the first beginning.

    Attributes:
        champions, canaries: Versions of each side, oldest first.
    """

    champions: tuple[str, ...]
    canaries: tuple[str, ...]

    @property
    def first_date(self) -> date:
        """Date of the night that published the first champion of this life.

        Both sides served no earlier date.

        >>> CanaryLife(("2026-03-02-5b1f0c9e77aa",), ("2026-02-28-77aa5b1f0c9e",)).first_date
        datetime.date(2026, 3, 2)
        """
        return date.fromisoformat(self.champions[0][:10])


def canary_life(store: Store, newest: Pointer) -> CanaryLife | None:
    """The life so far of the canary of a pointer, from the earlier pointers; None without a canary.

    The function reads one small file for each night of the life and skips unreadable files. It
    reads no later pointers, so a rerun of a night gets the same life.
    """
    if newest.canary is None:
        return None
    pairs = {(newest.version, newest.canary.version): None}
    for sequence in range(newest.sequence - 1, 0, -1):
        pointer = read_pointer(store, sequence)
        if pointer is None:
            continue
        if pointer.canary is None or pointer.canary.begun != newest.canary.begun:
            break
        pairs[pointer.version, pointer.canary.version] = None
    champions, canaries = zip(*reversed(pairs), strict=True)
    return CanaryLife(tuple(dict.fromkeys(champions)), tuple(dict.fromkeys(canaries)))


def only_drawn_impressions(impressions: DataFrame, life: CanaryLife) -> DataFrame:
    """Impressions whose version was drawn in this life, with the column `side`; same grain.

    Searches served without a draw (a search without a user, a machine on which the canary's bundle
    was invalid) are no evidence about the canary. They are left out for the users of both sides.
    """
    drawn = impressions.where(F.col("version_propensity") < 1.0)
    side = F.when(F.col("policy_version").isin(list(life.canaries)), F.lit(CANARY)).when(
        F.col("policy_version").isin(list(life.champions)), F.lit(CHAMPION)
    )
    return drawn.withColumn("side", side).where(F.col("side").isNotNull())


@dataclass(frozen=True)
class SideCounts:
    """Counts of one side of a canary.

    Attributes:
        users: Number of users, including those with fallbacks only.
        fallback_share: Share of its impressions that were fallbacks.
    """

    users: int = 0
    fallback_share: float = 0.0


def count_sides(drawn: DataFrame, *, is_shadow: bool = False) -> dict[str, SideCounts]:
    """Counts of each side, from `only_drawn_impressions`; the driver collects two rows.

    Next to a champion in shadow mode, a static page of a canary's user is a fallback, too.
    """
    fell_back = F.col("served_by") == "fallback"
    if is_shadow:
        fell_back |= (F.col("side") == CANARY) & (F.col("served_by") == "static")
    is_fallback = F.avg(fell_back.cast("double"))
    counted = drawn.groupBy("side").agg(F.count_distinct("user_key").alias("users"), is_fallback.alias("share"))
    found = {row["side"]: SideCounts(row["users"], row["share"]) for row in counted.collect()}
    return {side: found.get(side, SideCounts()) for side in SIDES}


def find_mismatch(
    counts: Mapping[str, SideCounts], summary: EvidenceSummary, share: float, level: float, size: float, nights: int
) -> list[str]:
    """Sample-ratio mismatches of the two sides, as reasons; empty without a mismatch.

    The test of users is an anytime-valid beta-binomial test of the canary's count
    (`estimation.sample_ratio`). Its probability of a false alarm over all nights is `level`. The
    test of impressions is a z test, by user, of the canary's mean weight against 1, at level /
    nights on each night. A canary can change how often its users search, so a change up to `size`
    is accepted.

    Args:
        counts: Counts of both sides.
        summary: Evidence summary of the canary on all impressions.
        share: Share of the users that the canary serves.
        level: Probability of a false alarm over the canary's life, for each of the two tests.
        size: Accepted departure of the mean weight from 1.
        nights: Largest number of nights of a life.

    >>> sides = {CANARY: SideCounts(300), CHAMPION: SideCounts(2_700)}
    >>> good = EvidenceSummary(400.0, 9_000.0, 3_000, 9_000, 1.01, 0.0, 0.0, True)
    >>> good = replace(good, mean_weight_error=0.02)
    >>> find_mismatch(sides, good, 0.1, 1e-4, 0.02, 14)
    []
    >>> sides[CANARY], lost = SideCounts(180), replace(good, mean_weight=0.8)
    >>> [reason.split(":")[0] for reason in find_mismatch(sides, lost, 0.1, 1e-4, 0.02, 14)]
    ['sample-ratio mismatch of users', 'sample-ratio mismatch of impressions']
    """
    canary, champion = counts[CANARY].users, counts[CHAMPION].users
    reasons = []
    p_value = compute_ratio_p_value(canary, champion, share)
    if p_value < level:
        reasons.append(
            f"sample-ratio mismatch of users: the canary has {canary} of {canary + champion}, its share {share:g} "
            f"gives {share * (canary + champion):.0f} (beta-binomial sequential test, p = {p_value:.2g} < {level:g})"
        )
    departure, critical = abs(summary.mean_weight - 1.0), quantile(1.0 - level / nights / 2.0)
    if departure > size and departure > critical * summary.mean_weight_error:
        z = departure / summary.mean_weight_error if summary.mean_weight_error else inf
        reasons.append(
            f"sample-ratio mismatch of impressions: the canary has {summary.mean_weight:.3f} of those that its "
            f"share of users gives (z test of the mean weight by user, |z| = {z:.1f} > {critical:.1f})"
        )
    return reasons


def to_canary_terms(drawn: DataFrame, slate_rows: DataFrame, *, is_shadow: bool = False) -> DataFrame:
    """user_key, query_class and the terms of both sides, from drawn impressions and their slates.

    Fallbacks are left out on both sides: both policies can fail. Static pages of a champion in
    shadow mode cannot, so there all pages count, of both kinds (intention to treat): to leave
    out the searches on which the canary failed would compare its easier searches with all searches
    of the static page. Terms are whole numbers of 2^-24 from the first sum on, so that any
    order gives the same bits. The join by log_date and impression_id, over the same few dates,
    takes one shuffle.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(
        F.sum(_to_whole(F.col("page_reward"))).alias("earned")
    )
    served = drawn if is_shadow else drawn.where(F.col("served_by") == "policy")
    served = served.join(rewards, on=["log_date", "impression_id"], how="left")
    reward = F.coalesce(F.col("earned"), F.lit(0)) * F.lit(TERM_UNIT)
    columns = [_to_whole(F.lit(1.0)).alias(N)]
    for side in SIDES:
        weight = F.when(F.col("side") == side, F.lit(1.0) / F.col("version_propensity")).otherwise(F.lit(0.0))
        weighted = weight * reward
        own = (F.col("side") == side).cast("double")
        terms = (own, weight, weight * weight, weighted, weighted * weighted, F.lit(0.0))
        columns += [_to_whole(value).alias(term(side, name)) for name, value in zip(TERMS, terms, strict=True)]
    return served.select("user_key", "query_class", *columns)


def sum_canary(drawn: DataFrame, slate_rows: DataFrame, *, is_shadow: bool = False) -> dict[str, ClusteredSums]:
    """Exact sums by user of every slice; empty without drawn impressions."""
    return sum_terms(to_canary_terms(drawn, slate_rows, is_shadow=is_shadow), NAMES)


def canary_rows(
    as_of_date: date,
    slices: Mapping[str, ClusteredSums],
    life: CanaryLife,
    counts: Mapping[str, SideCounts],
    settings: EvaluationSettings,
    mismatch: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Rows of `ope_estimates` of champion, canary and their difference, for every slice.

    A sample-ratio mismatch (`find_mismatch`) marks all rows "do not use".
    """
    versions = {CHAMPION: life.champions[-1], CANARY: life.canaries[-1]}
    versions[DIFFERENCE] = f"{versions[CANARY]} against {versions[CHAMPION]}"
    rows = []
    for name, sums in sorted(slices.items()):
        # The estimate of a side uses the impressions that it served.
        impressions = {side: round(sums.total(term(side, N))) for side in SIDES}
        summaries = {
            side: summarize_policy(sums, side, counts[side].fallback_share, judged=term(side, N)) for side in SIDES
        }
        summaries[DIFFERENCE] = _combine_sides(summaries[CANARY], summaries[CHAMPION])
        impressions[DIFFERENCE] = round(sums.total(N))
        ratios = {side: list_ratios(estimators.BY_USER, side) for side in SIDES}
        estimates = {side: estimate_sum(sums, ratios[side]) for side in SIDES}
        estimates[DIFFERENCE] = estimate_sum_difference(sums, ratios[CANARY], ratios[CHAMPION])
        rows += [
            build_figures(estimate, summaries[policy], settings)
            | {"as_of_date": as_of_date, "judged_on": CANARY, "policy": policy, "policy_version": versions[policy]}
            | {"estimator": BY_USER, "slice": name, "reward": REWARD, "impressions": impressions[policy]}
            for policy, estimate in estimates.items()
        ]
    if not mismatch:
        return rows
    return [row | {"verdict": DO_NOT_USE, "reasons": [*row["reasons"], *mismatch]} for row in rows]


def _combine_sides(canary: EvidenceSummary, champion: EvidenceSummary) -> EvidenceSummary:
    """Summary for the difference: the weaker side, with at least the evidence of a good canary.

    A canary with almost no rewards has a low R, and with a low R it would never end. If it were as
    good as the champion, its R would be the champion's in proportion to its impressions. So the
    difference gets at least this expected R: a lack of rewards is evidence too.
    """
    if not champion.impressions:
        return canary.combine_weaker(champion)
    share = min(canary.impressions / champion.impressions, 1.0)

    def evidence(of_canary: float, of_champion: float) -> float:
        expected = share * of_champion
        return expected if isnan(of_canary) else max(min(of_canary, of_champion), expected)

    return replace(
        canary.combine_weaker(champion),
        evidence=evidence(canary.evidence, champion.evidence),
        evidence_of_users=evidence(canary.evidence_of_users, champion.evidence_of_users),
    )


def _to_whole(value: Column) -> Column:
    return F.round(value / F.lit(TERM_UNIT)).cast("bigint")
