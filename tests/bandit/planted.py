"""Uniform logs of a small world whose best plan is known for every query class."""

from datetime import date

import numpy as np

from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.hashing import user_fold
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.serving.bandit import PlanChooser
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

SPACE = PlanSpace(("title", "popular", "memory"), block_size=2, budget=2)
OBSERVE = "blind"
WANTED = {"one_word": "popular", "two_words": "title", "three_words": "memory"}
KEYS = {"one_word": "love", "two_words": "love song", "three_words": "love song live"}
DAY = date(2026, 3, 2)
NO_OPINION = np.zeros(len(SPACE))  # a planner that holds all plans for equal


def expected_reward(kind, plan):
    """.1, .5 or .9: every block of the strategy that this class wants adds .4."""
    return 0.1 + 0.4 * float(SPACE.plans[plan][SPACE.strategy_index[WANTED[kind]]])


def logged(decisions, seed=5, *, flip=False, users=200):
    """Rows of `bandit_rows` of a uniform policy, with rewards 0 or 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(decisions):
        kind = list(WANTED)[rng.integers(len(WANTED))]
        # Queries of one class differ in their last letters, as keys must to fall into different
        # parts.
        key = f"{KEYS[kind]}{'abcdefghijklmnop'[rng.integers(16)]}"
        assert query_class(key) == kind
        shortlist = shortlist_of(NO_OPINION, 3).tolist()
        taken = int(rng.integers(len(SPACE)))
        actions = shortlist if taken in shortlist else [*shortlist, taken]
        features = action_matrix(SPACE, NO_OPINION, np.array(actions)).tolist()
        reward = float(rng.random() < expected_reward(kind, taken))
        reward = 1.0 - reward if flip else reward
        user = f"user-{rng.integers(users)}"
        rows.append(
            (
                f"i{number:06d}",
                1,
                DAY,
                key,
                kind,
                user,
                user_fold(user),
                "v1",
                SPACE.text(taken),
                1.0 / len(SPACE),
                reward,
                reward,
                0.0,
                shared_vector(SPACE, [], key, OBSERVE).tolist(),
                [(SPACE.text(plan), values) for plan, values in zip(actions, features, strict=True)],
                *([], [], [], False),
            )
        )
    return rows


def frame_of(spark, rows):
    return spark.createDataFrame(rows, schema_of(table("bandit_rows")))


def chosen(model):
    """The plan with the best score of a model, by query class."""
    greedy = ExplorationSettings(temperature=0.0, floor_share=0.0, shortlist_size=len(SPACE))
    chooser = PlanChooser(SPACE, greedy, model, OBSERVE)
    return {
        kind: SPACE.text(chooser.weigh(key, shared_vector(SPACE, [], key, OBSERVE), NO_OPINION).distribution.best())
        for kind, key in KEYS.items()
    }


def value_of(model):
    """Expected reward of the greedy policy, over all classes; uniform is .367, the best .9."""
    return float(np.mean([expected_reward(kind, SPACE.index(plan)) for kind, plan in chosen(model).items()]))
