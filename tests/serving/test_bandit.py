"""A score depends on the features of the plan only, so propensities are exact."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.planning import History, plan_values
from ltrr.core.vw_text import decision_example
from ltrr.serving.bandit import PlanChooser, _load_scorer
from tests.artifacts.bundles import SETTINGS, bandit_bytes, looks_of

SPACE = SETTINGS.space


def scores(scorer: object, query: int, actions: list[int]) -> list[float]:
    looks = looks_of(query)
    values = plan_values(SPACE, looks, History.prior(SPACE))
    features = action_matrix(SPACE, values, np.array(actions))
    return scorer.predict(decision_example(SPACE, shared_vector(SPACE, looks, "love"), actions, features))  # type: ignore[attr-defined]


def test_a_score_depends_neither_on_other_actions_nor_on_their_order() -> None:
    scorer = _load_scorer(bandit_bytes())
    all_at_once = scores(scorer, 5, [0, 3, 7, 11])
    assert [scores(scorer, 5, [action])[0] for action in (0, 3, 7, 11)] == all_at_once
    assert scores(scorer, 5, [11, 7, 3, 0]) == all_at_once[::-1]
    assert len(set(all_at_once)) > 1


def test_predictions_do_not_change_the_model() -> None:
    used, fresh = _load_scorer(bandit_bytes()), _load_scorer(bandit_bytes())
    for query in range(200):
        scores(used, query, [1, 2, 3])
    assert scores(used, 5, [0, 3, 7]) == scores(fresh, 5, [0, 3, 7])


def test_threads_share_a_chooser() -> None:
    chooser = PlanChooser(SPACE, SETTINGS.exploration, bandit_bytes())
    history = History.prior(SPACE)

    def dense(query: int) -> list[float]:
        return chooser.choose("love", looks_of(query), history).distribution.dense().tolist()

    alone = [dense(query % 10) for query in range(200)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(dense, [query % 10 for query in range(200)])) == alone


def test_a_score_counts_as_much_as_its_weight_says() -> None:
    history = History.prior(SPACE)

    def chosen(weight: float, model: bytes | None = None):
        exploration = replace(SETTINGS.exploration, score_weight=weight)
        return PlanChooser(SPACE, exploration, model).choose("love", looks_of(5), history)

    planner, bandit = chosen(1.0), chosen(1.0, bandit_bytes())
    alone, half = chosen(0.0, bandit_bytes()), chosen(0.5, bandit_bytes())
    assert alone.scores.tolist() == planner.scores.tolist()
    assert alone.distribution.dense().tolist() == planner.distribution.dense().tolist()
    below_best = planner.scores - planner.values.max()
    assert np.allclose(half.scores, (below_best + bandit.scores) / 2)
    assert half.distribution.dense().tolist() != bandit.distribution.dense().tolist()
