"""Probabilities that are logged are the probabilities that are drawn with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.exploration import Distribution, ExplorationSettings, shortlist_of, softmax_with_floor
from ltrr.errors import ConfigError


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    n_actions = draw(st.integers(1, 40))
    shortlist = draw(st.lists(st.integers(0, n_actions - 1), min_size=1, max_size=8, unique=True))
    return softmax_with_floor(
        draw(st.lists(st.floats(-5, 5), min_size=len(shortlist), max_size=len(shortlist))),
        temperature=draw(st.sampled_from([0.0, 0.01, 0.1, 1.0])),
        floor_share=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        shortlist=np.array(shortlist),
        n_actions=n_actions,
    )


@given(distributions())
def test_probabilities_add_up_to_one(spread: Distribution) -> None:
    assert spread.dense().sum() == pytest.approx(1.0, abs=1e-12)
    assert (spread.dense() >= 0).all()
    assert [spread.p(index) for index in range(spread.n_actions)] == spread.dense().tolist()


@given(distributions(), st.floats(0, 1, exclude_max=True))
def test_what_is_drawn_was_possible(spread: Distribution, u: float) -> None:
    assert spread.p(spread.sample(u)) > 0


@pytest.mark.statistical
def test_a_grid_of_draws_has_the_stated_frequencies() -> None:
    spread = softmax_with_floor(
        [0.30, 0.34, 0.10], temperature=0.05, floor_share=0.3, shortlist=np.array([6, 2, 9]), n_actions=12
    )
    draws = np.bincount([spread.sample((n + 0.5) / 12_000) for n in range(12_000)], minlength=12) / 12_000
    np.testing.assert_allclose(draws, spread.dense(), atol=1.5 / 12_000)


def test_uniform_and_greedy_are_the_two_ends() -> None:
    shortlist = np.array([3, 1])
    uniform = softmax_with_floor([5.0, 1.0], temperature=0.1, floor_share=1.0, shortlist=shortlist, n_actions=5)
    greedy = softmax_with_floor([1.0, 1.0], temperature=0.0, floor_share=0.0, shortlist=shortlist, n_actions=5)
    assert uniform.dense().tolist() == [0.2] * 5
    assert greedy.dense().tolist() == [0, 0, 0, 1, 0]


def test_the_highest_u_takes_the_last_plan() -> None:
    spread = softmax_with_floor([0.0], temperature=0.1, floor_share=0.5, shortlist=np.array([1]), n_actions=4)
    assert spread.sample(np.nextafter(1.0, 0.0)) == 3
    assert spread.sample(0.0) == 1


def test_a_shortlist_may_be_longer_than_the_plans() -> None:
    assert shortlist_of(np.array([0.2, 0.4]), 8).tolist() == [1, 0]


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"floor_share": 1.1}, {"shortlist_size": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        ExplorationSettings(**wrong)  # type: ignore[arg-type]
