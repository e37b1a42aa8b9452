"""Vowpal Wabbit learns a lower cost for a higher reward."""

import numpy as np
import pytest
import vowpalwabbit

from ltrr.core.features import action_features, action_matrix, shared_features, shared_vector
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import decision_example

SPACE = PlanSpace(("title", "memory"), block_size=2, budget=2)


@pytest.mark.statistical
def test_the_better_plan_gets_the_lower_cost() -> None:
    """Plan 1 has reward .8, the others .2, whatever their planner values; logged uniformly."""
    workspace = vowpalwabbit.Workspace("--cb_adf --cb_type mtr -q qb --quiet --random_seed 7")
    shared = shared_vector(SPACE, [], "the matrix")
    features = action_matrix(SPACE, np.array([0.5, 0.5, 0.5]))
    random = np.random.default_rng(7)
    for _ in range(600):
        taken = int(random.integers(3))
        reward = float(random.random() < (0.8 if taken == 1 else 0.2))
        workspace.learn(decision_example(SPACE, shared, [0, 1, 2], features, label=(taken, reward, 1 / 3)))
    costs = workspace.predict(decision_example(SPACE, shared, [2, 1, 0], features[[2, 1, 0]]))
    workspace.finish()
    assert int(np.argmin(costs)) == 1
    assert -costs[1] == pytest.approx(0.8, abs=0.15)


def test_names_and_values_are_those_declared() -> None:
    shared = [float(n + 1) for n in range(len(shared_features(SPACE)))]
    lines = decision_example(SPACE, shared, [1], [[0.5, -0.1, 0.7, 1.0]], label=(0, -0.25, 0.125)).splitlines()
    assert lines[0].split()[2:] == [
        f"{feature.name.replace(':', '=')}:{value:g}"
        for feature, value in zip(shared_features(SPACE), shared, strict=True)
    ]
    assert lines[1] == "0:0.25:0.125 |v value:0.5 value_gap:-0.1 log_rank:0.7 strategies:1 |b title_1 memory_1"
    assert len(action_features()) == 4
