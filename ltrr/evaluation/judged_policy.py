"""A policy as a judge sees it: P(plan) from what the log holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltrr.core.plans import PlanSpace
from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.serving.bandit import Choice, PlanChooser

CHAMPION, CHALLENGER, CANDIDATE, UNIFORM, STATIC = "champion", "challenger", "candidate", "uniform", "static"
"""Served now; under test; trained tonight, perhaps the next one under test; and two that nobody trained."""


@dataclass(frozen=True)
class JudgedPolicy:
    """One policy to judge; small enough to be sent to every executor once.

    Args:
        name: champion | challenger | candidate | uniform | static.
        version: the bundle or payload it is, or the plan's text.
        space: the plans.
        chooser: of a learned policy; it values the plans itself, from the *logged* look, and scores the *logged*
            shared features.
        plan: of a static policy.

    Without chooser and plan, every plan is equally likely.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> decision = LoggedDecision("u1", "love", "one_word", 0, 0.5, np.ones(2, bool), np.zeros(3), [], {}, np.zeros(2),
    ...                           reward=1.0, query_mean=0.2)
    >>> JudgedPolicy("uniform", "uniform", space).probabilities(decision).tolist()
    [0.5, 0.5]
    >>> JudgedPolicy("static", "title:1", space, plan=1).probabilities(decision).tolist()
    [0.0, 1.0]
    """

    name: str
    version: str
    space: PlanSpace
    chooser: PlanChooser | None = None
    plan: int | None = None

    def probabilities(self, decision: LoggedDecision) -> NDArray[np.float64]:
        """P(plan) of every plan for what was logged of a decision, [P]."""
        plans = len(self.space)
        if self.plan is not None:
            return np.asarray(np.eye(1, plans, self.plan)[0])
        choice = self.choice(decision)
        return np.full(plans, 1.0 / plans) if choice is None else choice.distribution.dense()

    def choice(self, decision: LoggedDecision) -> Choice | None:
        """What a learned policy would choose from what was logged; None of one that does not look."""
        if self.chooser is None:
            return None
        valuer = self.chooser.valuer
        values = decision.values if valuer is None else valuer.values(decision.key, decision.look, decision.facts)
        return self.chooser.weigh(decision.key, decision.shared, values)
