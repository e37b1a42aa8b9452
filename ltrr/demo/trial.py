"""Plans without learning in the film world, next to the figures of an earlier trial."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from ltrr.arrays import Floats
from ltrr.artifacts.bundle import uniform_bundle
from ltrr.core.feature_groups import MEMORY
from ltrr.serving.policy import Policy
from ltrr.simulation.truth import true_recall
from ltrr.simulation.truth_table import equal_split
from ltrr.simulation.world import World

# (slice, policy) -> true recall in the earlier trial.
TRIAL_RECALL = {
    ("unseen", "uniform"): 0.724,
    ("unseen", "equal split"): 0.734,
    ("unseen", "title only"): 0.837,
    ("unseen", "best static"): 0.850,
    ("unseen", "oracle"): 0.945,
    ("head", "best static"): 0.822,
    ("head", "oracle"): 0.945,
}
# Largest accepted difference from the earlier trial, and the rows for which it is checked.
TRIAL_TOLERANCE = 0.015
CHECKED_WITH_TRIAL = {("unseen", "title only"), ("unseen", "best static"), ("unseen", "oracle")}


def plan_rows(world: World) -> list[dict[str, Any]]:
    """True recall of plans without learning, with an empty memory: a row per slice and policy."""
    manifest, files = uniform_bundle(world.policy_settings(), date(2026, 3, 1))
    policy = Policy.of(manifest, {name: content for name, content in files.items() if isinstance(content, bytes)})
    recalls = true_recall(world, policy, np.arange(len(world.queries)))
    best = int(recalls[~world.unseen].mean(axis=0).argmax())
    space = policy.space
    everyone = {"all": np.arange(len(world.queries)), **world.slices}
    rows: list[dict[str, Any]] = []
    for name, members in everyone.items():
        policies: dict[str, Floats] = {
            "uniform": recalls[members].mean(axis=1),
            "uniform, no memory": recalls[members][:, space.plans[:, space.strategy_index[MEMORY]] == 0].mean(axis=1),
            "equal split": recalls[members][:, equal_split(space)].mean(axis=1),
            "title only": recalls[members, space.index(f"title:{space.budget}")],
            "best static": recalls[members, best],
            "oracle": recalls[members].max(axis=1),
        }
        for policy_name, values in policies.items():
            rows.append(
                {
                    "slice": name,
                    "policy": policy_name,
                    "plan": space.text(best) if policy_name == "best static" else "",
                    "queries": len(members),
                    "recall": round(float(values.mean()), 4),
                    "standard_error": round(float(values.std() / len(members) ** 0.5), 4),
                    "trial": TRIAL_RECALL.get((name, policy_name)),
                }
            )
    return rows
