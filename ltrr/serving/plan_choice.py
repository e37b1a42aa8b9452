"""A drawn plan with its data for the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltrr.artifacts.decision_record import plan_decision
from ltrr.core.exploration import Distribution
from ltrr.core.facts import CandidateFacts
from ltrr.core.features import action_matrix
from ltrr.core.situation import UNKNOWN_SITUATION, Situation, context_values, time_values
from ltrr.errors import UsageError
from ltrr.serving.bandit import Choice
from ltrr.serving.loader import NOT_DRAWN, ServedBundles, VersionDraw


@dataclass(frozen=True, eq=False)
class PlanChoice:
    """A drawn plan, with its data for the log.

    Args:
        plan_index: Index in the policy's plan space.
        action: Canonical text of the plan.
        blocks: (strategy, depth) of each block to fetch and rank.
        propensity: Exact probability with which this plan was drawn.
        distribution: Probabilities of all plans.
        decision: Entry of `decisions` in the decision record.
        facts: Facts of the candidates of the looks.
        version: Version of the bundle that chose.
        situation: Situation of the choice.
        version_draw: Draw of the version.
        is_shadow: Whether the policy is in shadow mode, so that the plan may not be served.
    """

    plan_index: int
    action: str
    blocks: tuple[tuple[str, int], ...]
    propensity: float
    distribution: Distribution
    decision: dict[str, Any]
    facts: CandidateFacts
    version: str
    situation: Situation = UNKNOWN_SITUATION
    version_draw: VersionDraw = NOT_DRAWN
    is_shadow: bool = False


def take_plan(
    bundles: ServedBundles, query_text: str, choice: Choice, distribution: Distribution, u: float
) -> PlanChoice:
    """The plan at `u`, a number in [0, 1), of a distribution, with its data for the log."""
    bundle = bundles.bundle
    space = bundle.chooser.space
    taken = distribution.sample(u)
    decision = plan_decision(
        space,
        observe=bundle.chooser.observe,
        shared=choice.shared,
        history=bundle.history.of(bundle.key(query_text)),
        distribution=distribution,
        features=choice.features,
        taken=taken,
        taken_features=action_matrix(space, choice.values, np.array([taken]))[0].tolist(),
    )
    return PlanChoice(
        plan_index=taken,
        action=space.text(taken),
        blocks=space.blocks(taken),
        propensity=distribution.p(taken),
        distribution=distribution,
        decision=decision,
        facts=choice.facts,
        version=bundle.version,
        situation=choice.situation,
        version_draw=bundles.draw,
        is_shadow=bundle.manifest.shadow,
    )


def check_served_by(impression_id: str, choice: PlanChoice, served_by: str) -> None:
    """Check that the page of a policy in shadow mode is a static one.

    Raises:
        UsageError: it was served by the policy, or is a fallback from it.
    """
    if choice.is_shadow and served_by != "static":
        raise UsageError(
            "a policy in shadow mode was served",
            which=impression_id,
            expected="served_by static: the service shows its own page while `is_shadow` holds",
            got=served_by,
            todo="show the static page, or publish a canary: `ltrr policies ramp`",
        )


def check_situation(impression_id: str, groups: Sequence[str], planned: Situation, served_in: Situation) -> None:
    """Check that the situation of a record gives the features that the decision used.

    Raises:
        UsageError: features of a group differ.
    """
    for group, values in (("time", time_values), ("context", context_values)):
        if group in groups and values(planned) != values(served_in):
            raise UsageError(
                f"the situation of a record is not that of its decision ({group})",
                which=impression_id,
                expected="at, utc_offset_minutes, surface and context as in the call of `plan`",
                got=f"{served_in.at}, {served_in.utc_offset_minutes}, {served_in.surface}",
                todo="give `plan` and `record` the same situation",
            )
