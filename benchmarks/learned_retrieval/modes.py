"""Planning at once for each `observe`: the value of every plan for every query, from what is visible."""

from __future__ import annotations

import numpy as np

from benchmarks.arrays import Longs
from benchmarks.learned_retrieval.study import Aim, Planned, Study, valued_looks
from benchmarks.learned_retrieval.values import (
    Labels,
    Worth,
    candidate_worth,
    coverages,
    learn_candidates,
    learn_unseen,
    plan_values,
)


def all_blocks(study: Study) -> Planned:
    """Every block visible: nothing is left to predict but the candidates' values."""
    full = study.depths(study.library.space.budget)
    whole, bare = (study.views(library, full) for library in (study.library, study.bare))
    with_clicks, predicted = study.full_worth
    return Planned(whole, bare, coverages(whole, with_clicks), coverages(bare, predicted))


def logged_labels(study: Study, looked: int) -> Labels:
    """Labels from the log alone, `looked` blocks of every strategy always fetched: plans whose blocks are all known."""
    known = study.with_memory(np.maximum(study.learner.log.drawn, looked))
    models = learn_candidates(study.learner, study.views(study.bare, known))
    whole, bare = study.views(study.library, known), study.views(study.bare, known)
    return Labels(
        coverages(whole, candidate_worth(study.learner, models, whole, with_clicks=True)),
        coverages(bare, candidate_worth(study.learner, models, bare, with_clicks=True)),
        (study.library.space.plans[None] <= known[:, None, :]).all(axis=2),
        np.ones(len(known)),
    )


def at_once(study: Study, labels: Labels, depth: int, aim: Aim) -> Planned:
    """Planned from the first `depth` blocks of every strategy: 1 is first_look, 0 is blind."""
    visible = study.depths(depth)
    # Without a look the only candidates are the memory's, and their values come from deeper looks
    # at other queries.
    models = learn_candidates(study.learner, study.views(study.bare, np.maximum(visible, 1)))
    views = [study.views(library, visible) for library in (study.library, study.bare)]
    looks = [valued_looks(study, models, one, aim) for one in views]
    unseen = learn_unseen(study.learner, looks, labels)
    return Planned(*views, *(plan_values(study.learner, look, unseen) for look in looks))


def best_candidates(study: Study, worth: Worth) -> Longs:
    """Numbers of the most valuable candidates of all blocks, as many as a plan brings, [Q, block_size x budget]."""
    numbers = {entity_id: number for number, entity_id in enumerate(study.learner.entity_ids)}
    limit = study.library.space.block_size * study.library.space.budget
    best = np.full((len(worth), limit), -1)
    for query, values in enumerate(worth):
        ordered = sorted(values, key=lambda entity: (-values[entity], entity))[:limit]
        best[query, : len(ordered)] = [numbers[entity] for entity in ordered]
    return best
