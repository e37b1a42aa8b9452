"""Vowpal Wabbit over the shortlist of plans: what it adds to the planner, learned from the log's own decisions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import vowpalwabbit
from numpy.typing import NDArray

from learned_retrieval.modes import Study
from learned_retrieval.values import Views
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.vw_text import decision_example
from ltrr.serving.bandit import PlanChooser

SHORTLIST = 8
ARGUMENTS = ["--cb_adf", "--cb_type", "mtr", "-q", "qb", "-q", "qv", "--learning_rate", "0.1", "--bit_precision", "18"]

Floats = NDArray[np.float64]


def vw_values(study: Study, views: Views, values: Floats, observe: str) -> Floats:
    """Plan values corrected by what Vowpal Wabbit learned, [Q, P]; plans off the shortlist are minus infinity.

    Args:
        study: whose log is learned from, training queries only.
        views: what is visible of each query.
        values: the planner's, [Q, P], out of fold.
        observe: which features the policy may use.
    """
    space, log = study.library.space, study.learner.log
    seen_as = "blind" if observe == "blind" else "first_look"
    shared = [
        shared_vector(space, blocks, key, seen_as) for blocks, key in zip(views.blocks, study.library.keys, strict=True)
    ]
    best = values.max(axis=1)
    shortlists = [shortlist_of(row, SHORTLIST) for row in values]
    with tempfile.TemporaryDirectory() as folder:
        examples, model = Path(folder) / "examples.vw", Path(folder) / "bandit.vw"
        with examples.open("w", encoding="utf-8") as file:
            for query, plan, found in zip(log.queries.tolist(), log.plans.tolist(), log.found.tolist(), strict=True):
                if not study.learner.is_train[query]:
                    continue
                listed = shortlists[query]
                place = np.flatnonzero(listed == plan)
                if not len(place):
                    listed, place = np.append(listed, plan), np.array([len(listed)])
                features = action_matrix(space, values[query], listed)
                label = (int(place[0]), found - float(best[query]), 1.0 / len(space))
                example = decision_example(space, shared[query], listed, features, label=label, observe=seen_as)
                file.write(example + "\n\n")
        files = ["--data", str(examples), "--final_regressor", str(model)]
        vowpalwabbit.Workspace(arg_list=["--quiet", *ARGUMENTS, *files]).finish()
        exploration = ExplorationSettings(temperature=0.0, floor_share=0.0, shortlist_size=SHORTLIST)
        chooser = PlanChooser(space, exploration, model.read_bytes(), seen_as)
    scores = np.full(values.shape, -np.inf)
    for query, listed in enumerate(shortlists):
        scores[query, listed] = (
            best[query] + chooser.weigh(study.library.keys[query], shared[query], values[query]).scores
        )
    return scores
