"""Training and serving use the same text: columns and single decisions give equal lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.bandit.examples import Decisions, write_examples
from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import action_features, shared_features
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import decision_example
from ltrr.errors import SchemaError

SPACE = PlanSpace(("title", "popular", "memory"), block_size=2, budget=3)
SEEN = (("blind", DEFAULT_GROUPS), ("first_look", DEFAULT_GROUPS), ("first_look", ("looks", "text", "time")))

# Features as logged (six decimals), and other floats.
NUMBERS = st.one_of(
    st.just(0.0),
    st.just(-0.0),
    st.integers(-3_000_000, 3_000_000).map(lambda n: n / 1e6),
    st.integers(-150, 150).map(lambda n: n / 1e6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(9.999, 10.001),
    st.floats(0.00009, 0.00011),
)


@st.composite
def decisions(draw, observe, groups):
    """Decisions of unequal length, each with its own plans in its own order."""
    chosen = draw(
        st.lists(st.lists(st.integers(0, len(SPACE) - 1), min_size=1, max_size=5, unique=True), min_size=1, max_size=4)
    )
    count, total = len(chosen), sum(map(len, chosen))

    def matrix(rows, columns):
        flat = draw(st.lists(NUMBERS, min_size=rows * columns, max_size=rows * columns))
        return np.array(flat, dtype=np.float64).reshape(rows, columns)

    return Decisions(
        shared=matrix(count, len(shared_features(SPACE, observe, groups))),
        actions=np.concatenate(chosen),
        ends=np.cumsum([len(plans) for plans in chosen]),
        features=matrix(total, len(action_features())),
        taken=np.array([draw(st.sampled_from(plans)) for plans in chosen]),
        rewards=matrix(count, 1)[:, 0],
        propensities=np.array(draw(st.lists(st.floats(1e-6, 1.0), min_size=count, max_size=count))),
    )


def one_by_one(many, observe, groups):
    text = ""
    for number, (start, end) in enumerate(zip(many.starts.tolist(), many.ends.tolist(), strict=True)):
        plans = many.actions[start:end]
        place = plans.tolist().index(many.taken[number])
        label = (place, float(many.rewards[number]), float(many.propensities[number]))
        rows = many.features[start:end]
        options = {"label": label, "observe": observe, "groups": groups}
        text += decision_example(SPACE, many.shared[number], plans, rows, **options) + "\n\n"
    return text


@pytest.mark.parametrize(("observe", "groups"), SEEN)
@given(data=st.data())
def test_many_decisions_have_the_text_of_single_ones(observe, groups, data) -> None:
    many = data.draw(decisions(observe, groups))
    written = bytes(write_examples(many, SPACE, observe, groups)).decode()
    assert written.split("\n") == one_by_one(many, observe, groups).split("\n")


def test_no_decisions_no_text() -> None:
    none = np.zeros(0)
    many = Decisions(np.zeros((0, 3)), none, none.astype(np.int64), np.zeros((0, 4)), none, none, none)
    assert bytes(write_examples(many, SPACE, "blind")) == b""


@pytest.mark.parametrize(("taken", "ends"), [(3, [2, 4]), (2, [2, 4]), (0, [4, 4])], ids=["none", "twice", "empty"])
def test_a_plan_taken_that_is_not_among_the_actions_once_is_refused(taken, ends) -> None:
    shared = np.zeros((2, len(shared_features(SPACE, "blind"))))
    with pytest.raises(SchemaError, match="decision 1 of 2: expected exactly once"):
        Decisions(
            shared,
            np.array([0, 1, 2, 2]),
            np.array(ends),
            np.zeros((4, len(action_features()))),
            np.array([0, taken]),
            np.zeros(2),
            np.ones(2),
        )
