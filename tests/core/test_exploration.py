"""Plans are drawn with the logged probabilities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.exploration import KINDS, Distribution, ExplorationSettings, explore, shortlist_of
from ltrr.core.queries import QUERY_CLASSES
from ltrr.errors import ConfigError

EXPLORING = [
    ExplorationSettings(temperature=0.05, floor_share=0.3),
    ExplorationSettings(kind="squarecb", gamma=30.0, floor_share=0.3),
    ExplorationSettings(kind="epsilon", epsilon=0.4, floor_share=0.3),
]
GREEDY = [
    ExplorationSettings(temperature=0.0, floor_share=0.0),
    ExplorationSettings(kind="squarecb", gamma=1e15, floor_share=0.0),
    ExplorationSettings(kind="epsilon", epsilon=0.0, floor_share=0.0),
]


def settings() -> st.SearchStrategy[ExplorationSettings]:
    return st.builds(
        ExplorationSettings,
        temperature=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
        floor_share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        kind=st.sampled_from(KINDS),
        gamma=st.sampled_from([0.0, 1.0, 100.0, 1e9]),
        epsilon=st.sampled_from([0.0, 0.2, 1.0]),
    )


@st.composite
def explored(draw: st.DrawFn) -> tuple[list[float], ExplorationSettings, Distribution]:
    n_actions = draw(st.integers(1, 40))
    shortlist = draw(st.lists(st.integers(0, n_actions - 1), min_size=1, max_size=8, unique=True))
    drawn = draw(st.lists(st.floats(-5, 5), min_size=len(shortlist), max_size=len(shortlist), unique=True))
    exploration = draw(settings())
    return drawn, exploration, explore(drawn, exploration, shortlist=np.array(shortlist), n_actions=n_actions)


@given(explored())
def test_probabilities_add_up_to_one(made) -> None:
    _, _, spread = made
    assert spread.dense().sum() == pytest.approx(1.0, abs=1e-12)
    assert [spread.p(index) for index in range(spread.n_actions)] == spread.dense().tolist()


@given(explored())
def test_the_floor_holds_for_every_plan(made) -> None:
    _, exploration, spread = made
    assert spread.floor == exploration.floor_share / spread.n_actions
    assert (spread.dense() >= spread.floor).all()


@given(explored())
def test_a_higher_score_is_never_drawn_less(made) -> None:
    scores, _, spread = made
    in_order = spread.probabilities[np.argsort(scores)]
    assert (np.diff(in_order) >= -1e-15).all()


@given(explored(), st.randoms(use_true_random=False))
def test_the_order_of_the_shortlist_changes_no_probability(made, random) -> None:
    scores, exploration, spread = made
    order = list(range(len(scores)))
    random.shuffle(order)
    other = explore(np.array(scores)[order], exploration, shortlist=spread.shortlist[order], n_actions=spread.n_actions)
    np.testing.assert_allclose(other.dense(), spread.dense(), rtol=0, atol=1e-15)


@given(explored(), st.floats(0, 1, exclude_max=True))
def test_a_drawn_plan_has_a_positive_probability(made, u: float) -> None:
    spread = made[2]
    assert spread.p(spread.sample(u)) > 0


@pytest.mark.statistical
@pytest.mark.parametrize("exploration", EXPLORING, ids=KINDS)
def test_a_grid_of_draws_has_the_frequencies_of_the_distribution(exploration) -> None:
    spread = explore([0.30, 0.34, 0.10], exploration, shortlist=np.array([6, 2, 9]), n_actions=12)
    draws = np.bincount([spread.sample((n + 0.5) / 12_000) for n in range(12_000)], minlength=12) / 12_000
    np.testing.assert_allclose(draws, spread.dense(), atol=1.5 / 12_000)


@pytest.mark.parametrize("exploration", EXPLORING, ids=KINDS)
def test_all_mass_on_the_floor_is_uniform(exploration) -> None:
    uniform = replace(exploration, floor_share=1.0)
    assert explore([5.0, 1.0], uniform, shortlist=np.array([3, 1]), n_actions=5).dense().tolist() == [0.2] * 5


@pytest.mark.parametrize("exploration", GREEDY, ids=KINDS)
def test_each_kind_is_greedy_at_the_end_of_its_range(exploration) -> None:
    greedy = explore([1.0, 2.0, 1.5], exploration, shortlist=np.array([3, 1, 0]), n_actions=5)
    np.testing.assert_allclose(greedy.dense(), [0, 1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("exploration", [GREEDY[0], GREEDY[2]], ids=["softmax", "epsilon"])
def test_the_greedy_plan_is_the_first_among_equals(exploration) -> None:
    greedy = explore([1.0, 1.0], exploration, shortlist=np.array([3, 1]), n_actions=5)
    assert greedy.dense().tolist() == [0, 0, 0, 1, 0]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0, 1e4))
def test_squarecb_follows_the_formula_of_the_paper(scores, gamma) -> None:
    exploration = ExplorationSettings(kind="squarecb", gamma=gamma, floor_share=0.0)
    spread = explore(scores, exploration, shortlist=np.arange(len(scores)), n_actions=len(scores))
    best = scores.index(max(scores))
    others = [index for index in range(len(scores)) if index != best]
    for index in others:
        assert spread.p(index) == pytest.approx(1.0 / (len(scores) + gamma * (scores[best] - scores[index])))
    assert spread.p(best) == pytest.approx(1.0 - sum(spread.p(index) for index in others))


@pytest.mark.parametrize("exploration", EXPLORING, ids=KINDS)
def test_a_class_that_explores_more_is_less_greedy(exploration) -> None:
    by_class = replace(exploration, query_classes={"long": 2.0, "digits": 0.5})
    scores, shortlist = [0.30, 0.34, 0.10], np.array([6, 2, 9])
    best = {
        name: explore(scores, by_class.of_class(name), shortlist=shortlist, n_actions=12).p(2) for name in QUERY_CLASSES
    }
    assert best["long"] < best["one_word"] < best["digits"]
    unscaled = explore(scores, exploration, shortlist=shortlist, n_actions=12)
    assert best["one_word"] == unscaled.p(2)
    assert explore(scores, by_class.of_class("long"), shortlist=shortlist, n_actions=12).floor == 2 * unscaled.floor


def test_the_highest_u_takes_the_last_plan() -> None:
    spread = explore([0.0], ExplorationSettings(0.1, 0.5), shortlist=np.array([1]), n_actions=4)
    assert spread.sample(np.nextafter(1.0, 0.0)) == 3
    assert spread.sample(0.0) == 1


def test_a_shortlist_may_be_longer_than_the_plans() -> None:
    assert shortlist_of(np.array([0.2, 0.4]), 8).tolist() == [1, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"floor_share": 1.1},
        {"shortlist_size": 0},
        {"kind": "cover"},
        {"gamma": float("inf")},
        {"epsilon": -0.1},
        {"query_classes": {"navigational": 1.0}},
        {"query_classes": {"long": 0.0}},
        {"score_weight": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match=f"exploration.{next(iter(wrong))}"):
        ExplorationSettings(**wrong)
