"""Statistics are exact: the same bits for any order and partition, and equal to numpy."""

from __future__ import annotations

import json
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.errors import DataQualityError, UsageError
from ltrr.estimation.exact_sums import ExactSums
from ltrr.estimation.fixed_point import exact_products, exact_sums, from_fixed, to_fixed
from ltrr.estimation.moments import ClusteredSums, WeightedRewards

propensity = st.floats(1e-4, 1.0)
decision = st.tuples(propensity, propensity, st.floats(0.0, 10.0))
longs = st.integers(-(2**62), 2**62)


def _of(decisions: list[tuple[float, float, float]]) -> WeightedRewards:
    if not decisions:
        return WeightedRewards()
    logging, target, reward = (np.array(column) for column in zip(*decisions, strict=True))
    return WeightedRewards.of(logging_propensity=logging, target_propensity=target, reward=reward)


@given(st.lists(decision, max_size=30), st.integers(0, 30), st.randoms(use_true_random=False))
def test_any_cut_and_order_gives_the_same_bits(decisions, cut, random) -> None:
    whole = _of(decisions)
    assert _of(decisions[:cut]) + _of(decisions[cut:]) == whole
    shuffled = list(decisions)
    random.shuffle(shuffled)
    assert _of(shuffled) == whole


@given(st.lists(st.tuples(longs, longs, longs), min_size=1, max_size=20))
def test_sums_and_products_are_those_of_unbounded_integers(rows) -> None:
    matrix = np.array(rows, dtype=np.int64)
    assert exact_sums(matrix) == [sum(row[k] for row in rows) for k in range(3)]
    assert exact_products(matrix) == [[sum(row[i] * row[j] for row in rows) for j in range(3)] for i in range(3)]


def test_products_are_exact_beyond_one_chunk() -> None:
    matrix = np.random.default_rng(2).integers(-(2**62), 2**62, (5_000, 4))
    wanted = np.zeros((4, 4), dtype=object)
    for row in matrix.tolist():
        wanted += np.outer(np.array(row, dtype=object), np.array(row, dtype=object))
    assert exact_products(matrix) == wanted.tolist()


def test_weighted_rewards_equal_plain_numpy() -> None:
    rng = np.random.default_rng(3)
    logging, target, reward = rng.uniform(0.01, 1, 500), rng.uniform(0, 1, 500), rng.poisson(0.7, 500).astype(float)
    statistics = WeightedRewards.of(logging_propensity=logging, target_propensity=target, reward=reward)
    w = target / logging
    assert statistics.ips() == pytest.approx(np.mean(w * reward), rel=1e-7)
    assert statistics.snips() == pytest.approx(np.sum(w * reward) / np.sum(w), rel=1e-7)
    assert statistics.mean_weight() == pytest.approx(np.mean(w), rel=1e-7)
    assert statistics.effective_sample_size() == pytest.approx(np.sum(w) ** 2 / np.sum(w**2), rel=1e-7)
    assert statistics.evidence() == pytest.approx(np.sum(w * reward) ** 2 / np.sum((w * reward) ** 2), rel=1e-7)


def test_what_is_undefined_is_nan() -> None:
    nothing = WeightedRewards()
    assert all(isnan(v) for v in (nothing.ips(), nothing.snips(), nothing.effective_sample_size(), nothing.evidence()))
    unseen = WeightedRewards.of(logging_propensity=0.5, target_propensity=0.0, reward=1.0)
    assert unseen.ips() == 0.0
    assert isnan(unseen.snips())
    assert isnan(unseen.evidence())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e12])
def test_a_term_that_cannot_be_summed_is_refused(bad: float) -> None:
    with pytest.raises(DataQualityError, match="too large to be summed"):
        to_fixed([1.0, bad])


def test_fixed_point_rounds_to_the_nearest() -> None:
    values = np.random.default_rng(4).uniform(-1e3, 1e3, 1_000)
    assert np.abs([from_fixed(v) for v in to_fixed(values).tolist()] - values).max() <= 2.0**-25


def test_clusters_equal_plain_numpy_and_any_cut_by_cluster() -> None:
    rng = np.random.default_rng(5)
    users = rng.integers(0, 60, 1_000).astype(str)
    terms = {"wr": rng.gamma(1.0, 3.0, 1_000), "w": rng.gamma(1.0, 2.0, 1_000), "n": np.ones(1_000)}
    whole = ClusteredSums.of(terms, users)
    by_user = np.array([[terms[name][users == user].sum() for name in terms] for user in np.unique(users)])
    assert whole.clusters == len(by_user)
    np.testing.assert_allclose([whole.total(name) for name in terms], by_user.sum(axis=0), rtol=1e-7)
    products = [[whole.product(a, b) for b in terms] for a in terms]
    np.testing.assert_allclose(products, by_user.T @ by_user, rtol=1e-7)
    parts = [users.astype(int) % 3 == part for part in range(3)]
    pieces = [ClusteredSums.of({k: v[part] for k, v in terms.items()}, users[part]) for part in parts]
    assert pieces[2] + (pieces[0] + pieces[1]) == whole == (pieces[1] + pieces[2]) + pieces[0]
    assert whole + ClusteredSums.empty(tuple(terms)) == whole
    order = rng.permutation(1_000)
    assert ClusteredSums.of({k: v[order] for k, v in terms.items()}, users[order]) == whole


def test_sums_survive_text_and_refuse_other_terms() -> None:
    sums = ClusteredSums.of({"a": [2.0**35], "b": [0.1]}, ["u"])
    assert ClusteredSums.from_json(sums.to_json()) == sums
    assert json.loads(sums.to_json())[3][0][0] > 2**63
    with pytest.raises(UsageError, match="different terms"):
        _ = sums + ClusteredSums.empty(("a", "c"))


def test_blocks_with_terms_of_any_size_add_up_exactly() -> None:
    """Terms below and above the limit of doubles: single ones in a block, and whole blocks."""
    rng = np.random.default_rng(9)
    for scale in (1.0, 2.0**38, 2.0**45, 2.0**46, 2.0**47, 2.0**58):
        block = np.rint(rng.normal(size=(4, 3_000)) * scale / 4.0)
        block[1, 7] = -np.rint(scale * 2.0)
        sums = ExactSums(terms=4, crossed=3, tail=1)
        sums.add(block)
        sums.add(np.rint(rng.normal(size=(4, 10)) * 0.0) + 3.0)
        whole = np.hstack([block, np.full((4, 10), 3.0)]).astype(np.int64).astype(object)
        assert sums.totals == [int(row.sum()) for row in whole]
        assert sums.products == [[int((a * b).sum()) for b in whole[:3]] for a in whole[:3]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0**62])
@pytest.mark.parametrize("row", [0, 3])
def test_what_cannot_be_summed_is_refused(bad: float, row: int) -> None:
    block = np.ones((4, 5))
    block[row, 2] = bad
    with pytest.raises(DataQualityError, match="too large to be summed"):
        ExactSums(terms=4, crossed=3, tail=1).add(block)
