"""Bootstrap replicates: the same bits in any order, Poisson counts, and the known variance."""

from __future__ import annotations

from math import exp, factorial, sqrt

import numpy as np
import pytest

from ltrr.estimation.bootstrap import Replicates, poisson_counts
from ltrr.estimation.fixed_point import to_fixed


def test_any_order_and_any_cut_give_the_same_bits() -> None:
    rng = np.random.default_rng(3)
    users = rng.integers(-(2**62), 2**62, 20_000)
    sums = np.column_stack([rng.integers(-(2**61), 2**61, 20_000), to_fixed(rng.gamma(0.1, 50.0, 20_000))])
    whole = Replicates.of_users(("a", "b"), users, sums, replicates=20)
    shuffled = rng.permutation(20_000)
    cuts = np.split(shuffled, [17, 9_000])
    one, two, three = (Replicates.of_users(("a", "b"), users[part], sums[part], replicates=20) for part in cuts)
    assert three + one + two == whole
    exact = (poisson_counts(users, 20).astype(int).astype(object) @ sums.astype(object)).tolist()
    assert [list(row) for row in whole.totals] == exact
    assert Replicates.from_json(whole.to_json()) == whole


@pytest.mark.statistical
def test_counts_are_poisson_and_independent() -> None:
    """A million draws; bounds of six standard errors: a false alarm has a chance below 1e-7."""
    counts = poisson_counts(np.arange(5_000), 200)
    for n in range(5):
        chance = exp(-1.0) / factorial(n)
        assert abs((counts == n).mean() - chance) < 6.0 * sqrt(chance / counts.size)
    for one, other in ((counts[:-1], counts[1:]), (counts[:, :-1], counts[:, 1:])):
        assert abs(((one - 1.0) * (other - 1.0)).mean()) < 6.0 / sqrt(one.size)


@pytest.mark.statistical
def test_the_variance_of_replicates_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(5)
    values = rng.gamma(2.0, 1.0, 4_000)
    sums = np.column_stack([to_fixed(values), to_fixed(np.ones(4_000))])
    replicates = Replicates.of_users(("x", "n"), np.arange(4_000), sums, replicates=1_000)
    spread = np.std(replicates.values([("x", "n")]))
    assert spread == pytest.approx(values.std() / sqrt(4_000), rel=6.0 / sqrt(2 * 1_000))
    assert np.isnan(Replicates.of_users(("x", "n"), np.arange(2), sums[:2] * 0, 20).interval([("x", "n")], 0.9)).all()
