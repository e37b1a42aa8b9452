"""Estimators of logs made draw by draw, by exact expectation.

Every possible log of a small world is enumerated, so unbiasedness is tested as an identity, without
sampling error.
"""

from __future__ import annotations

from itertools import permutations, product
from math import isnan

import numpy as np
import pytest

from ltrr.errors import DataQualityError, SupportError, UsageError
from ltrr.estimation.draw_moments import DrawMoments
from ltrr.estimation.draw_orders import MOST_DRAWS, DrawWeights, path_propensities, set_propensities, step_lattice
from ltrr.estimation.draw_terms import Draws, compute_draw_terms
from ltrr.estimation.estimators import DRAW_ESTIMATORS
from ltrr.estimation.inclusion import inclusion_design, inclusion_propensities, inclusion_rewards
from ltrr.estimation.placement import placement_propensities, placement_rewards
from ltrr.estimation.reward_to_go import fit_reward_to_go
from ltrr.estimation.slots import slot_terms

STRATEGIES, DRAWS, ENTITIES = 3, 3, 5
LISTS = np.array([[0, 1, 2], [1, 3, 0], [4, 1, 3]])
"""Entity in each block of each strategy, blocks of one; they overlap."""
PLACES = np.array([[int(np.argmax(row == e)) + 1 if e in row else 0 for row in LISTS] for e in range(ENTITIES)])
ATTRACTION = np.array([0.9, 0.2, 0.5, 0.7, 0.3])
EXAMINATION = np.array([1.0, 0.6, 0.4])
PLANS = np.array([plan for plan in product(range(DRAWS + 1), repeat=STRATEGIES) if sum(plan) <= DRAWS])


def policy_of(seed: int, *, stops: bool):
    """A random policy: probabilities of each strategy, and of `stop`, differ in every state."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(STRATEGIES + 1, 0.7), (DRAWS + 1,) * STRATEGIES)
    if not stops:
        table = table[..., :STRATEGIES] / table[..., :STRATEGIES].sum(axis=-1, keepdims=True)
    table = 0.15 / STRATEGIES + 0.8 * table[..., :STRATEGIES] + (0.0 if stops else 0.05 / STRATEGIES)
    return lambda depths: table[tuple(depths.T)]


def page_of(depths) -> list[int]:
    """Entities in an order that is a function of the set of blocks: by attraction, worst first."""
    held = {int(LISTS[s, d]) for s in range(STRATEGIES) for d in range(depths[s])}
    return sorted(held, key=lambda e: ATTRACTION[e])


class Everything:
    """Every possible sequence of draws, one row each, with its probability and expected reward."""

    def __init__(self, *, stops: bool, found: bool, seed: int = 1) -> None:
        lengths = range(DRAWS + 1) if stops else (DRAWS,)
        self.drawn = np.array(
            [(*seq, *[-1] * (DRAWS - len(seq))) for n in lengths for seq in product(range(STRATEGIES), repeat=n)]
        )
        self.counts = (self.drawn >= 0).sum(axis=1)
        self.depths = np.array([[(row == s).sum() for s in range(STRATEGIES)] for row in self.drawn])
        self.logging, self.target = policy_of(seed, stops=stops), policy_of(seed + 1, stops=stops)
        self.rewards = np.array([self._by_draw(row, found=found) for row in self.drawn])
        sides = [step_lattice(side, self.drawn, STRATEGIES) for side in (self.logging, self.target)]
        self.stops = [
            np.where(self.counts < DRAWS, 1.0 - side(self.depths).sum(axis=1), 1.0)
            for side in (self.logging, self.target)
        ]
        self.weights = DrawWeights.of(*sides, self.counts, logging_stop=self.stops[0], target_stop=self.stops[1])
        paths = [path_propensities(side, self.counts).prod(axis=1) for side in sides]
        self.chances, self.target_chances = (path * stop for path, stop in zip(paths, self.stops, strict=True))
        self.truth = self.target_chances @ self.rewards.sum(axis=1)

    def _by_draw(self, row, *, found: bool) -> list[float]:
        """Expected reward of the new entities of each draw: clicks, or clicks over examination."""
        depths = [int((row == s).sum()) for s in range(STRATEGIES)]
        page = page_of(depths)
        earned, seen, made = [0.0] * DRAWS, set(), [0] * STRATEGIES
        for draw, s in enumerate(row.tolist()):
            if s >= 0:
                entity = int(LISTS[s, made[s]])
                made[s] += 1
                if entity not in seen:
                    seen.add(entity)
                    place = page.index(entity)
                    earned[draw] = ATTRACTION[entity] * (1.0 if found else EXAMINATION[place])
        return earned

    def plan_chances(self, chances) -> np.ndarray:
        return np.array([chances[(self.depths == plan).all(axis=1)].sum() for plan in PLANS])

    def draws(self, **models) -> Draws:
        return Draws(self.weights, self.rewards, **models)

    def expected(self, draws: Draws) -> dict[str, float]:
        """Exact expectation of every term over the log."""
        return {name: float(self.chances @ values) for name, values in compute_draw_terms(draws).items()}

    def expectation(self, name: str, draws: Draws) -> float:
        terms = self.expected(draws)
        return sum(terms[top] / terms[bottom] for top, bottom in DRAW_ESTIMATORS[name].ratios)

    def plan_model(self) -> dict[str, np.ndarray]:
        """A model of each plan's reward that is wrong, and its mean under the target."""
        q = np.random.default_rng(9).normal(0.5, 1.0, len(PLANS))
        index = [int(np.flatnonzero((plan == PLANS).all(axis=1))[0]) for plan in self.depths]
        return {"taken": q[index], "direct": np.full(len(self.drawn), self.plan_chances(self.target_chances) @ q)}

    def step_model(self) -> dict[str, np.ndarray]:
        """A model of the reward-to-go that is wrong, but whose V is the target's mean of its Q."""
        q = np.random.default_rng(10).normal(0.5, 1.0, ((DRAWS + 1),) * STRATEGIES + (STRATEGIES,))
        taken, values = np.zeros(self.drawn.shape), np.zeros(self.drawn.shape)
        depths = np.zeros((len(self.drawn), STRATEGIES), dtype=int)
        for step in range(DRAWS):
            made = self.drawn[:, step] >= 0
            # A decision was made where a draw was, and once more where the choice was to stop.
            decided = self.counts >= step
            here = q[tuple(depths.T)]
            values[:, step] = np.where(decided, (self.target(depths) * here).sum(axis=1), 0.0)
            taken[made, step] = here[made, self.drawn[made, step]]
            depths[made, self.drawn[made, step]] += 1
        return {"step_taken": taken, "step_values": values}

    def placed(self) -> dict[str, np.ndarray]:
        """Terms of placement, without a model and with a wrong one; 9 is an empty position."""
        n = len(self.drawn)
        made = np.array([(page_of(plan) + [9] * DRAWS)[:DRAWS] for plan in PLANS])
        shown = np.array([(page_of(plan) + [9] * DRAWS)[:DRAWS] for plan in self.depths])
        sides = [np.tile(self.plan_chances(chances), (n, 1)) for chances in (self.chances, self.target_chances)]
        places = [placement_propensities(side, np.tile(made, (n, 1, 1)), shown) for side in sides]
        clicks = np.append(ATTRACTION, np.zeros(5))[shown] * EXAMINATION
        wrong = np.append(np.random.default_rng(8).uniform(0, 1, ENTITIES), np.zeros(5))
        direct = np.full(n, self.plan_chances(self.target_chances) @ (wrong[made] * EXAMINATION).sum(axis=1))
        return {
            "placed": placement_rewards(*places, clicks),
            "placed_dr": placement_rewards(*places, clicks, wrong[shown] * EXAMINATION, direct),
        }

    def inclusion(self, q_hat=None) -> np.ndarray:
        n = len(self.drawn)
        sides = [
            inclusion_propensities(np.tile(self.plan_chances(chances), (n, 1)), np.tile(PLACES, (n, 1, 1)), PLANS)
            for chances in (self.chances, self.target_chances)
        ]
        shown = np.array([[e in page_of(depths) for e in range(ENTITIES)] for depths in self.depths])
        return inclusion_rewards(*sides, shown, np.tile(ATTRACTION, (n, 1)), q_hat)


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("found", [False, True])
@pytest.mark.parametrize("name", ["sequence_ips", "union", "union_ips", "union_dr", "union_sndr"])
def test_weights_of_the_set_and_of_the_sequence_are_unbiased_on_either_reward(name, found, stops) -> None:
    world = Everything(stops=stops, found=found)
    assert world.chances.sum() == pytest.approx(1.0)
    assert world.expectation(name, world.draws(**world.plan_model())) == pytest.approx(world.truth, abs=1e-12)


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("name", ["pdis", "cascade_dr", "inclusion", "inclusion_dr"])
def test_weights_of_a_draw_or_an_entity_are_unbiased_on_found_reward(name, stops) -> None:
    world = Everything(stops=stops, found=True)
    wrong = np.tile(np.random.default_rng(4).uniform(0, 1, ENTITIES), (len(world.drawn), 1))
    draws = world.draws(**world.step_model(), included=world.inclusion(), included_dr=world.inclusion(wrong))
    assert world.expectation(name, draws) == pytest.approx(world.truth, abs=1e-12)


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("name", ["placement", "placement_dr"])
def test_weights_of_placements_are_unbiased_on_page_reward(name, stops) -> None:
    world = Everything(stops=stops, found=False)
    assert world.expectation(name, world.draws(**world.placed())) == pytest.approx(world.truth, abs=1e-12)


def test_a_placement_varies_less_than_the_set() -> None:
    for seed in range(1, 6):
        world = Everything(stops=False, found=False, seed=seed)
        by_set = world.chances @ (world.weights.union * world.rewards.sum(axis=1)) ** 2
        assert world.chances @ world.placed()["placed"] ** 2 < by_set


@pytest.mark.parametrize("name", ["pdis", "cascade_dr"])
def test_weights_of_a_draw_are_biased_on_page_reward(name) -> None:
    world = Everything(stops=False, found=False)
    off = world.expectation(name, world.draws(**world.step_model())) / world.truth - 1.0
    assert abs(off) > 1e-3
    assert DRAW_ESTIMATORS[name].found_only


def test_a_set_is_as_likely_as_all_its_orders_together() -> None:
    world = Everything(stops=False, found=True)
    steps = step_lattice(world.logging, world.drawn, STRATEGIES)
    paths = {tuple(row): p for row, p in zip(world.drawn.tolist(), world.chances, strict=True)}
    wanted = [sum(paths[order] for order in set(permutations(row))) for row in world.drawn.tolist()]
    assert set_propensities(steps, world.counts) == pytest.approx(wanted)


def test_weights_of_the_set_vary_less_than_weights_of_the_sequence() -> None:
    for seed in range(1, 6):
        world = Everything(stops=False, found=False, seed=seed)
        page = world.rewards.sum(axis=1)
        spread = [world.chances @ (w * page) ** 2 for w in (world.weights.union, world.weights.sequence)]
        assert spread[0] < spread[1]


def test_the_same_policy_has_weights_of_one() -> None:
    world = Everything(stops=True, found=True)
    steps = step_lattice(world.logging, world.drawn, STRATEGIES)
    weights = DrawWeights.of(steps, steps, world.counts, logging_stop=world.stops[0], target_stop=world.stops[0])
    for ones in (weights.running, weights.sequence, weights.union):
        assert ones == pytest.approx(1.0)


def logged(n: int = 500) -> tuple[Draws, np.ndarray]:
    """A sample of the small world's log, and users."""
    world = Everything(stops=True, found=True)
    rng = np.random.default_rng(3)
    rows = rng.choice(len(world.drawn), n, p=world.chances)
    weights = DrawWeights(world.weights.running[rows], world.weights.sequence[rows], world.weights.union[rows])
    models = {name: values[rows] for name, values in (world.plan_model() | world.step_model()).items()}
    return Draws(weights, world.rewards[rows], **models, included=world.inclusion()[rows]), rng.integers(0, 40, n)


def take(draws: Draws, rows) -> Draws:
    weights = DrawWeights(draws.weights.running[rows], draws.weights.sequence[rows], draws.weights.union[rows])
    named = {name: getattr(draws, name) for name in ("taken", "direct", "step_taken", "step_values", "included")}
    return Draws(weights, draws.rewards[rows], **{name: values[rows] for name, values in named.items()})


def test_any_order_and_any_cut_by_user_give_the_same_bits() -> None:
    draws, users = logged()
    whole = DrawMoments.of(draws, users)
    order = np.random.default_rng(5).permutation(len(draws))
    assert DrawMoments.of(take(draws, order), users[order]) == whole
    parts = [DrawMoments.of(take(draws, users % 3 == part), users[users % 3 == part]) for part in (2, 0, 1)]
    assert (parts[0] + parts[1]) + parts[2] == whole == parts[0] + (parts[2] + parts[1])
    assert DrawMoments.from_json(whole.to_json()) == whole


def test_moments_are_the_terms_rounded_once() -> None:
    draws, _ = logged()
    moments = DrawMoments.of(draws)
    for name, values in compute_draw_terms(draws).items():
        assert moments.sums.total(name) == pytest.approx(values.sum(), abs=len(draws) * 2.0**-25)


def test_standard_errors_equal_the_jackknife_by_user() -> None:
    draws, users = logged(2_000)
    whole = DrawMoments.of(draws, users)
    left_out = [DrawMoments.of(take(draws, users != user), users[users != user]) for user in range(40)]
    for name in whole.allowed:
        values = np.array([moments.estimate(name).value for moments in left_out])
        jackknife = np.sqrt(39 / 40 * ((values - values.mean()) ** 2).sum())
        assert whole.estimate(name).standard_error == pytest.approx(jackknife, rel=0.05), name


def test_an_estimator_without_its_terms_is_refused_with_the_reason() -> None:
    draws, _ = logged(50)
    own_order = Draws(DrawWeights(draws.weights.running, draws.weights.sequence, None), draws.rewards)
    moments = DrawMoments.of(own_order)
    assert moments.allowed == ["sequence_ips", "pdis"]
    for name, reason in (("union", "every state"), ("cascade_dr", "fitted for this target"), ("inclusion", "contents")):
        with pytest.raises(SupportError, match=reason):
            moments.estimate(name)
    for name in ("iips", "pi"):
        with pytest.raises(SupportError, match="independently of each other"):
            DrawMoments.of(draws).estimate(name)
    with pytest.raises(UsageError, match="unknown estimator"):
        moments.estimate("best")
    with pytest.raises(SupportError, match="too many draws"):
        step_lattice(lambda depths: depths, np.zeros((1, MOST_DRAWS + 1), dtype=int), 1)


def test_a_draw_that_was_made_with_probability_zero_is_refused() -> None:
    steps = np.zeros((1, 4, 2))
    with pytest.raises(DataQualityError, match="logging_propensity"):
        DrawWeights.of(steps, steps, np.array([2]))


def test_the_design_equals_the_mean_squared_weights_of_logs() -> None:
    world = Everything(stops=True, found=True)
    n = len(world.drawn)
    sides = [
        inclusion_propensities(np.tile(world.plan_chances(chances), (n, 1)), np.tile(PLACES, (n, 1, 1)), PLANS)
        for chances in (world.chances, world.target_chances)
    ]
    shown = np.array([[e in page_of(depths) for e in range(ENTITIES)] for depths in world.depths])
    weights = np.where(shown, sides[1] / sides[0], 0.0)
    mass, squares = inclusion_design(*sides)
    assert world.chances @ weights.sum(axis=1) == pytest.approx(mass[0])
    assert world.chances @ (weights**2).sum(axis=1) == pytest.approx(squares[0])
    moments = DrawMoments.of(world.draws(included=world.inclusion(), included_mass=mass, included_squares=squares))
    assert moments.effective_sample_size("inclusion") == pytest.approx(n * mass[0] ** 2 / squares[0])
    assert isnan(DrawMoments.of(world.draws(included=world.inclusion())).effective_sample_size("inclusion"))


def test_entities_that_the_log_never_shows_are_refused() -> None:
    logging, target = np.array([[0.5, 0.0]]), np.array([[0.5, 0.1]])
    with pytest.raises(SupportError, match="can never show"):
        inclusion_rewards(logging, target, np.array([[True, False]]), np.ones((1, 2)))


def test_what_is_undefined_is_nan() -> None:
    draws, _ = logged(50)
    nothing = DrawMoments.of(take(draws, np.arange(0)))
    assert isnan(nothing.estimate("union").value)
    assert isnan(nothing.largest_weight("union"))
    never = DrawWeights(np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    moments = DrawMoments.of(Draws(never, np.ones((3, 1))))
    assert isnan(moments.estimate("union").value)
    assert isnan(moments.evidence("union"))
    assert isnan(moments.effective_sample_size("union"))
    assert moments.estimate("sequence_ips").value == 0.0


def every_slate(seed: int):
    """All slates of three independent slots with four actions; a target of dependent slots."""
    rng = np.random.default_rng(seed)
    slates = np.array(list(product(range(4), repeat=3)))
    by_slot = rng.dirichlet(np.full(4, 2.0), 3)
    joint = by_slot[np.arange(3), slates].prod(axis=1)
    target = rng.dirichlet(np.full(len(slates), 0.3))
    marginal = np.array([[target[slates[:, t] == a].sum() for a in range(4)] for t in range(3)])
    rewards = rng.uniform(0, 1, (3, 4))[np.arange(3), slates]
    return joint, by_slot[np.arange(3), slates], marginal[np.arange(3), slates], rewards, target


@pytest.mark.parametrize("name", ["iips", "pi"])
def test_slots_filled_independently_recover_the_truth_from_marginals(name) -> None:
    joint, logging, target, rewards, chances = every_slate(6)
    terms = {key: float(joint @ values) for key, values in slot_terms(logging, target, rewards, joint).items()}
    ((top, bottom),) = DRAW_ESTIMATORS[name].ratios
    assert terms[top] / terms[bottom] == pytest.approx(chances @ rewards.sum(axis=1), abs=1e-12)


def test_pi_fails_where_slots_do_not_add_up() -> None:
    joint, logging, target, rewards, chances = every_slate(6)
    together = rewards.prod(axis=1, keepdims=True) * np.array([1.0, 0.0, 0.0])
    terms = slot_terms(logging, target, together, joint)
    off = float(joint @ terms["additive_weighted"]) / (chances @ together.sum(axis=1)) - 1.0
    assert abs(off) > 0.01


def test_slots_that_depend_on_each_other_are_refused() -> None:
    joint, logging, target, rewards, _ = every_slate(6)
    with pytest.raises(SupportError, match="independently"):
        slot_terms(logging, target, rewards, joint * 1.01)


def test_reward_to_go_is_exact_with_full_features_and_does_not_use_its_own_fold() -> None:
    world = Everything(stops=False, found=True)
    rows = np.random.default_rng(7).choice(len(world.drawn), 4_000, p=world.chances)
    drawn, rewards = world.drawn[rows], world.rewards[rows]
    states = np.zeros((DRAWS, len(rows), STRATEGIES), dtype=int)
    for step in range(1, DRAWS):
        states[step] = states[step - 1]
        states[step][np.arange(len(rows)), drawn[:, step - 1]] += 1

    def features(step: int) -> np.ndarray:
        # One indicator of every state and strategy: rewards here have no noise, so the fit is
        # exact.
        place = np.ravel_multi_index(tuple(states[step].T), (DRAWS + 1,) * STRATEGIES)
        z = np.zeros((len(rows), STRATEGIES, 1 + (DRAWS + 1) ** STRATEGIES * STRATEGIES))
        z[:, :, 0] = 1.0
        for s in range(STRATEGIES):
            z[np.arange(len(rows)), s, 1 + place * STRATEGIES + s] = 1.0
        return z

    target = np.stack([world.target(states[step]) for step in range(DRAWS)], axis=1)
    folds = np.arange(len(rows)) % 2
    _, values = fit_reward_to_go(features, target, drawn, rewards, folds, ridge=1e-6)
    assert values[:, 0] == pytest.approx(world.truth, rel=2e-2)
    changed = np.where((folds == 1)[:, None], rewards + 1.0, rewards)
    _, of_changed = fit_reward_to_go(features, target, drawn, changed, folds, ridge=1e-6)
    assert (of_changed[folds == 1] == values[folds == 1]).all()
    assert (of_changed[folds == 0] != values[folds == 0]).any()
