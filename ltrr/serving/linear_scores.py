"""Scores of a bandit for many decisions at once, computed from its weights (docs/adr/0014).

The model is linear in the features of `core.vw_text` and in products of a shared feature (namespace
q) with one of the plan (v, b):

    cost(x, a) = c + ws . x + wv . v(a) + wb . b(a) + x' Wqv v(a) + x' Wqb b(a)

A feature's weight is at the index that Vowpal Wabbit's hash of its name gives. The weight of a
product is at (16777619 h(q)) ^ h(other). When a model is read, its scores of made-up decisions are
compared with Vowpal Wabbit's own. A model of another form (other interactions, other learners) has
no such weights, and Vowpal Wabbit scores it.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltrr.arrays import Floats, Longs, Unsigned64
from ltrr.core.features import action_features
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import action_names, decision_example, shared_names

TOLERANCE = 1e-5
"""Largest error of a score, relative to the largest score: Vowpal Wabbit adds in 32-bit floats."""

_PRIME = 16777619
_CONSTANT = 11650396
_PROBES, _PROBED_PLANS, _SEED = 16, 20, 7


@dataclass(frozen=True, eq=False)
class LinearScores:
    """Weights of a bandit.

    Args:
        draws: Whether a plan draws a block, [P, B].
        constant: c.
        shared: ws, [F].
        action: wv in the first row, Wqv below, [1 + F, A].
        blocks: wb in the first row, Wqb below, [1 + F, B].
    """

    draws: Floats
    constant: float
    shared: Floats
    action: Floats
    blocks: Floats

    def costs(self, shared: Floats, features: Floats, shortlists: Longs) -> Floats:
        """Predicted cost of each plan listed, [N, K].

        Features are added one after the other, without a matrix product, so each row depends on
        itself only.

        Args:
            shared: Shared features, [N, F].
            features: Features of the plans, [N, K, A].
            shortlists: Indices of the plans, [N, K].
        """
        base = np.full(len(shared), self.constant)
        action, blocks = (np.tile(weights[0], (len(shared), 1)) for weights in (self.action, self.blocks))
        for number, column in enumerate(shared.T):
            base += column * self.shared[number]
            action += column[:, None] * self.action[1 + number]
            blocks += column[:, None] * self.blocks[1 + number]
        plans = np.zeros((len(shared), len(self.draws)))
        for number, column in enumerate(blocks.T):
            drawn = np.flatnonzero(self.draws[:, number])
            plans[:, drawn] += column[:, None]
        costs = base[:, None] + np.take_along_axis(plans, shortlists, axis=1)
        for number in range(features.shape[2]):
            costs += features[:, :, number] * action[:, number, None]
        return costs

    @staticmethod
    def of(model: bytes, space: PlanSpace, observe: str, groups: tuple[str, ...]) -> LinearScores | None:
        """The weights of a Vowpal Wabbit model; None if its predictions are computed otherwise."""
        import vowpalwabbit

        with tempfile.TemporaryDirectory(prefix="ltrr-bandit-") as folder:
            path, readable = Path(folder, "bandit.vw"), Path(folder, "bandit.txt")
            path.write_bytes(model)
            options = ["--quiet", "--testonly", "--initial_regressor", str(path)]
            vowpalwabbit.Workspace(arg_list=[*options, "--readable_model", str(readable)]).finish()
            head = readable.read_text(encoding="utf-8", errors="replace")[:10_000]
            workspace = vowpalwabbit.Workspace(arg_list=options)
        try:
            scores = _read(workspace, head, space, shared_names(space, observe, groups))
            return scores if _agrees(scores, workspace, space, observe, groups) else None
        finally:
            workspace.finish()


def _read(workspace: Any, head: str, space: PlanSpace, names: tuple[str, ...]) -> LinearScores:
    crossed = set(re.findall(r"--interactions (\S+)", head))
    blocks = [f"{strategy}_{depth + 1}" for strategy in space.strategies for depth in range(space.budget)]
    bits = int(re.findall(r"^bits:(\d+)", head, re.MULTILINE)[0])

    def weights(places: Unsigned64) -> Floats:
        low = (places & np.uint64((1 << bits) - 1)).astype(np.int64)
        return np.array([workspace.get_weight(place) for place in low.ravel().tolist()]).reshape(low.shape)

    def places(namespace: str, features: tuple[str, ...] | list[str]) -> Unsigned64:
        space_hash = workspace.hash_space(namespace)
        hashes = [workspace.hash_feature(name.strip(" :"), space_hash) for name in features]
        return np.array(hashes, dtype=np.uint64) & np.uint64((1 << bits) - 1)

    q = places("q", names)

    def both(namespace: str, features: tuple[str, ...] | list[str]) -> Floats:
        alone = places(namespace, features)
        products = weights((q[:, None] * np.uint64(_PRIME)) ^ alone[None])
        return np.vstack([weights(alone)[None], products if f"q{namespace}" in crossed else 0.0 * products])

    return LinearScores(
        draws=space.draws,
        constant=float(weights(np.array([_CONSTANT], dtype=np.uint64))[0]),
        shared=weights(q),
        action=both("v", action_names()),
        blocks=both("b", blocks),
    )


def _agrees(scores: LinearScores, workspace: Any, space: PlanSpace, observe: str, groups: tuple[str, ...]) -> bool:
    """Whether Vowpal Wabbit predicts the same scores for made-up decisions."""
    rng = np.random.default_rng(_SEED)
    shared = np.round(rng.random((_PROBES, len(scores.shared))), 6)
    plans = np.array([rng.permutation(len(space))[:_PROBED_PLANS] for _ in range(_PROBES)])
    features = np.round(rng.random((*plans.shape, len(action_features()))), 6)
    ours = scores.costs(shared, features, plans)
    theirs = np.array(
        [
            workspace.predict(decision_example(space, x, listed, matrix, observe=observe, groups=groups))
            for x, listed, matrix in zip(shared, plans, features, strict=True)
        ]
    )
    return bool(np.abs(ours - theirs).max() <= TOLERANCE * max(np.abs(theirs).max(), 1.0))
