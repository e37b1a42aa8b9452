"""One pass over decisions scores all policies and adds up their terms: impression, user, sums.

Scoring a policy (a Vowpal Wabbit prediction for each decision) costs far more than the rest, so
each decision is read once and scored by all policies. Models are broadcast as bytes, and each task
opens them once. Data that grows with the log stays on the executors: Spark adds up users in whole
numbers, and a task returns one text for each slice. With 20 million impressions per night, 0.3 ms
per policy and 100 executors, that takes minutes.

The columns of a policy follow from the nightly estimators (`estimation.estimators`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Floats, Longs
from ltrr.estimation.decisions import TERMS, Decisions, TermInputs
from ltrr.estimation.estimators import DecisionEstimator, list_nightly_estimators
from ltrr.estimation.exploration_price import exploration_terms
from ltrr.estimation.fixed_point import to_fixed
from ltrr.estimation.keyed_sums import SliceSums
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.estimation.reward_model import value_actions
from ltrr.estimation.weights import importance_weights, unsupported_mass
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import COLUMNS, LoggedDecision, logged_decisions
from ltrr.evaluation.reward_model import PlanRewardModel
from ltrr.spark.merging import merge

ALL = "all"
"""Name of the slice of all decisions; the other slices are query classes."""

N = "n"
PRICE = ("lost", "greedy", "any", "noise")
"""Terms of the exploration price (`estimation.exploration_price`), and noise.

Noise is w (r - q)^2, an unbiased estimate of the mean of (r - q)^2 under the policy."""

REWARDS = "wr"
EVIDENCE = ("w", "w_squared", REWARDS, "wr_squared")
"""Terms of a policy's evidence: weight, its square, weighted reward, its square."""

DOUBLY_ROBUST = "dr"
"""Term of a policy's doubly robust values: direct + residual."""

_COLUMNS = {("w",): "w", ("weighted",): REWARDS, ("direct", "residual"): DOUBLY_ROBUST}
"""Registered terms, added up -> name of their column, where it differs from the terms' names."""

_ROWS_AT_ONCE = 4_096


def term(policy: str, name: str) -> str:
    """Name of the column of one term of one policy."""
    return f"{policy}_{name}"


def list_numerators(estimators: Sequence[DecisionEstimator]) -> dict[str, tuple[str, ...]]:
    """Column -> the registered terms that it adds up, for all ratios of these estimators.

    >>> list_numerators(list_nightly_estimators())
    {'wr': ('weighted',), 'w': ('w',), 'dr': ('direct', 'residual')}
    """
    sums = [terms for one in estimators for joined, below in one.joined_ratios for terms in (joined, (below,))]
    return {_column(terms): terms for terms in sums if terms != (N,)}


def list_ratios(estimator: DecisionEstimator, policy: str) -> list[tuple[str, str]]:
    """(numerator, denominator) columns of one policy; the ratios add up to the estimate.

    >>> from ltrr.estimation.estimators import ESTIMATORS
    >>> list_ratios(ESTIMATORS["dr"], "champion"), list_ratios(ESTIMATORS["snips"], "champion")
    ([('champion_dr', 'n')], [('champion_wr', 'champion_w')])
    """
    return [
        (term(policy, _column(joined)), N if below == N else term(policy, _column((below,))))
        for joined, below in estimator.joined_ratios
    ]


def policy_terms(estimators: Sequence[DecisionEstimator]) -> tuple[str, ...]:
    """Terms of one policy: evidence, numerators, unsupported mass and exploration price."""
    others = [name for name in list_numerators(estimators) if name not in EVIDENCE]
    return (*EVIDENCE, *others, "unsupported", *PRICE)


def term_names(policies: Sequence[str], estimators: Sequence[DecisionEstimator] | None = None) -> tuple[str, ...]:
    """All columns, in order; by default those of the nightly estimators."""
    names = policy_terms(list_nightly_estimators() if estimators is None else estimators)
    return (N, *(term(policy, name) for policy in policies for name in names))


def list_tails(names: Sequence[str]) -> tuple[str, ...]:
    """The terms of weighted rewards, whose tails give the precision of standard errors.

    >>> list_tails(term_names(["champion", "uniform"]))
    ('champion_wr', 'uniform_wr')
    """
    return tuple(name for name in names if name.endswith(f"_{REWARDS}"))


def to_scores(impressions: DataFrame, policies: Sequence[JudgedPolicy], model: PlanRewardModel) -> DataFrame:
    """user_key, query_class and the terms of every policy, from judged impressions; same grain.

    Terms are whole numbers of 2^-24. The doubly robust value of an impression is sum over plans of
    pi(a) q(a) + w (r - q(a taken)). Its mean is unbiased for any q-hat (Dudik et al., "Doubly
    Robust Policy Evaluation and Learning", ICML 2011).
    """
    estimators = list_nightly_estimators()
    names = term_names([policy.name for policy in policies], estimators)
    session = impressions.sparkSession.sparkContext
    sent: Broadcast[tuple[tuple[JudgedPolicy, ...], PlanRewardModel]] = session.broadcast((tuple(policies), model))
    schema = ", ".join(["user_key string", "query_class string", *(f"{name} bigint" for name in names)])

    def to_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        judged, q_hat = sent.value
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                decisions = list(logged_decisions(batch.slice(start, _ROWS_AT_ONCE), q_hat.space))
                yield score_decisions(decisions, judged, q_hat, estimators)

    # Searches of one query mostly have the same look. Sorted, they share one computation of values.
    return impressions.select(*COLUMNS).sortWithinPartitions("query_key").mapInArrow(to_terms, schema)


def sum_by_slice(scores: DataFrame, policies: Sequence[str]) -> dict[str, ClusteredSums]:
    """Exact sums of every slice, by user; empty without scores.

    A user is one cluster in each slice in which the user searched.
    """
    return sum_terms(scores, term_names(policies))


def sum_terms(scores: DataFrame, names: tuple[str, ...]) -> dict[str, ClusteredSums]:
    """Exact sums of every slice, by user, of any terms in whole numbers of 2^-24.

    Args:
        scores: user_key, query_class and the columns of the terms.
        names: Names of the columns.
    """
    tails = list_tails(names)
    users = (
        scores.withColumn("slice", F.explode(F.array(F.lit(ALL), F.col("query_class"))))
        .groupBy("slice", "user_key")
        .agg(*(F.sum(name).alias(name) for name in names))
    )

    def to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: SliceSums[ClusteredSums] = SliceSums()
        for batch in batches:
            slices = np.array(batch.column("slice").to_pylist())
            rows = np.column_stack([batch.column(name).to_numpy() for name in names])
            for one in np.unique(slices):
                total += SliceSums({str(one): ClusteredSums.of_clusters(names, rows[slices == one], tails)})
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    parts = users.select("slice", *names).mapInArrow(to_sums, "sums string")
    merged = merge(parts, partial(SliceSums.from_json, read_sums=ClusteredSums.from_json))
    return {} if merged is None else dict(merged.slices)


def score_decisions(
    decisions: list[LoggedDecision],
    policies: Sequence[JudgedPolicy],
    model: PlanRewardModel,
    estimators: Sequence[DecisionEstimator] | None = None,
) -> pa.RecordBatch:
    """Keys and terms of decisions, with the columns of `to_scores`."""
    chosen = list_nightly_estimators() if estimators is None else estimators
    numerators = list_numerators(chosen)
    logging = np.array([d.propensity for d in decisions])
    rewards = np.array([d.reward for d in decisions])
    taken = np.array([d.plan for d in decisions], dtype=np.int64)
    rows = np.arange(len(decisions))
    supported = np.array([d.supported for d in decisions])
    expected = model.predict(decisions)
    columns: dict[str, Longs] = {N: to_fixed(np.ones(len(decisions)))}
    for policy in policies:
        target = policy.probabilities_of(decisions)
        weights = importance_weights(logging, target[rows, taken])
        inputs = TermInputs(Decisions(weights, rewards, *value_actions(expected, taken, target)))
        sums = {name: to_fixed(_add_up(terms, inputs)) for name, terms in numerators.items() if name not in EVIDENCE}
        price = map(to_fixed, (*exploration_terms(target, expected), weights * inputs.residuals**2))
        terms = dict(zip(EVIDENCE, WeightedRewards.terms(weights, rewards)[:, 1:].T, strict=True)) | sums
        terms |= {"unsupported": to_fixed(unsupported_mass(supported, target))} | dict(zip(PRICE, price, strict=True))
        columns.update({term(policy.name, name): terms[name] for name in policy_terms(chosen)})
    keys = {"user_key": [d.user_key for d in decisions], "query_class": [d.query_class for d in decisions]}
    return pa.RecordBatch.from_pydict(keys | {name: pa.array(values, pa.int64()) for name, values in columns.items()})


def _column(terms: tuple[str, ...]) -> str:
    return _COLUMNS.get(terms, "_plus_".join(terms))


def _add_up(terms: Sequence[str], inputs: TermInputs) -> Floats:
    """Sum of registered terms of each decision, without rounding, [N]."""
    first, *others = (TERMS[name].of(inputs) for name in terms)
    return np.asarray(sum(others, start=first), dtype=np.float64)
