"""Plans are judged by models of other queries than those that choose: no gain from noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltrr.arrays import Floats
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.hashing import query_fold
from ltrr.core.plans import PlanSpace
from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.serving.bandit import PlanChooser
from ltrr.shadow.settings import ShadowSettings
from ltrr.shadow.terms import ShadowScorer, floor_term

SPACE = PlanSpace(("title", "semantic", "memory"), block_size=2, budget=4)
SETTINGS = ShadowSettings(floors=(0.02,))
COUNT = 3_000


class NoisyValuer:
    """All plans are worth 1; each of two models adds its own error."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def of_other_folds(self) -> NoisyValuer:
        return NoisyValuer(1 - self.shift)

    def values(self, key: str, *_: object) -> Floats:
        model = (query_fold(key, 2) + self.shift) % 2
        return 1.0 + 0.2 * np.random.default_rng([int(key), model]).standard_normal(len(SPACE))


@pytest.mark.statistical
def test_errors_of_the_values_are_no_gain() -> None:
    chooser = PlanChooser(SPACE, ExplorationSettings(), None, valuer=NoisyValuer())  # type: ignore[arg-type]
    scorer = ShadowScorer.of(chooser, ExplorationSettings(), SETTINGS)
    plan = SPACE.index("title:2,semantic:2")
    one = LoggedDecision(
        "", "", "all", plan, 1.0, np.ones(len(SPACE), bool), np.zeros(0), [], {}, np.zeros(len(SPACE)), 1.0, 0.0
    )
    decisions = [replace(one, key=str(number)) for number in range(COUNT)]
    fetched = np.zeros((COUNT, len(SPACE.strategies)))

    def gain(judge: ShadowScorer) -> float:
        terms = judge.terms(decisions, fetched)
        return float(terms[floor_term(0, "policy")].sum() / terms["static"].sum() - 1.0)

    # The standard error of a mean of 3,000 values is .2 / sqrt(3,000) = .0037; two are compared.
    assert abs(gain(scorer)) < 5.5 * 0.0037 * 2**0.5
    # Judged by the models that choose, the same plans would gain more than a standard deviation.
    assert gain(replace(scorer, judge=replace(scorer.judge, chooser=chooser))) > 0.2
