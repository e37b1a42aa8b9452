"""A policy in an evaluation: P(plan) for logged decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.plans import PlanSpace
from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.serving.bandit import Choice, PlanChooser
from ltrr.serving.plan_batch import plan_probabilities

CHAMPION, CHALLENGER, CANDIDATE, UNIFORM, STATIC = "champion", "challenger", "candidate", "uniform", "static"
"""Names of the policies in an evaluation.

They are the served policy, the current challenger, the bandit trained this night, and two policies
without training."""


@dataclass(frozen=True)
class JudgedPolicy:
    """One policy in an evaluation; small enough to send to every executor.

    Args:
        name: champion | challenger | candidate | uniform | static.
        version: Version of the bundle or payload, or the plan's text.
        space: The plans.
        chooser: Chooser of a learned policy. It computes values of plans from the *logged* look,
            and scores the *logged* shared features.
        plan: Number of the plan of a static policy.

    Without chooser and plan, all plans have the same probability.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=1)
    >>> decision = LoggedDecision(
    ...     "u1", "love", "one_word", 0, 0.5, np.ones(2, bool), np.zeros(3), [], {}, np.zeros(2),
    ...     reward=1.0, query_mean=0.2,
    ... )
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

    def probabilities(self, decision: LoggedDecision) -> Floats:
        """P(plan) of every plan for a logged decision, [P]."""
        plans = len(self.space)
        if self.plan is not None:
            return np.asarray(np.eye(1, plans, self.plan)[0])
        choice = self.choice(decision)
        return np.full(plans, 1.0 / plans) if choice is None else choice.distribution.dense()

    def probabilities_of(self, decisions: Sequence[LoggedDecision], values: Floats | None = None) -> Floats:
        """P(plan) for many decisions, [N, P], to 1e-6; a row does not depend on other decisions.

        Args:
            decisions: Logged decisions.
            values: `values_of` these decisions, if they are known.
        """
        if self.chooser is None:
            return np.array([self.probabilities(decision) for decision in decisions])
        shared = np.array([decision.shared for decision in decisions])
        values = self.values_of(decisions) if values is None else values
        return plan_probabilities(self.chooser, [decision.key for decision in decisions], shared, values)

    def values_of(self, decisions: Sequence[LoggedDecision]) -> Floats:
        """Planner values of every plan for many decisions, [N, P]."""
        return np.array([self._values(decision) for decision in decisions])

    def choice(self, decision: LoggedDecision) -> Choice | None:
        """The choice of a learned policy for a logged decision; None without a chooser."""
        if self.chooser is None:
            return None
        return self.chooser.weigh(decision.key, decision.shared, self._values(decision))

    def _values(self, decision: LoggedDecision) -> Floats:
        valuer = None if self.chooser is None else self.chooser.valuer
        return decision.values if valuer is None else valuer.values(decision.key, decision.look, decision.facts)
