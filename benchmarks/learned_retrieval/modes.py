"""Planning in one step for each `observe`: values of every plan for every query, from a look."""

from __future__ import annotations

import numpy as np

from benchmarks.learned_retrieval.study import Aim, PlanValues, Study, value_looks
from benchmarks.learned_retrieval.values import (
    CandidateValues,
    Labels,
    candidate_values,
    coverages,
    learn_candidates,
    learn_unseen,
    plan_values,
)
from ltrr.arrays import Longs


def plan_all_blocks(study: Study) -> PlanValues:
    """Values of plans with every block visible; only the values of candidates are predicted."""
    full = study.depths(study.library.space.budget)
    whole, bare = (study.views(library, full) for library in (study.library, study.bare))
    with_clicks, predicted = study.full_values
    return PlanValues(whole, bare, coverages(whole, with_clicks), coverages(bare, predicted))


def logged_labels(study: Study, looked: int) -> Labels:
    """Labels from logged blocks alone, for plans whose blocks were all fetched.

    Args:
        study: Study of one log.
        looked: Number of blocks of every strategy that are fetched for every search.
    """
    known = study.with_memory(np.maximum(study.learner.log.drawn, looked))
    models = learn_candidates(study.learner, study.views(study.bare, known))
    whole, bare = study.views(study.library, known), study.views(study.bare, known)
    return Labels(
        coverages(whole, candidate_values(study.learner, models, whole, with_clicks=True)),
        coverages(bare, candidate_values(study.learner, models, bare, with_clicks=True)),
        (study.library.space.plans[None] <= known[:, None, :]).all(axis=2),
        np.ones(len(known)),
    )


def plan_at_once(study: Study, labels: Labels, depth: int, aim: Aim) -> PlanValues:
    """Values of plans from the first `depth` blocks of every strategy: 1 first_look, 0 blind."""
    visible = study.depths(depth)
    # Without a look the only candidates are those of the memory. Their values are learned from the
    # first blocks of other queries.
    models = learn_candidates(study.learner, study.views(study.bare, np.maximum(visible, 1)))
    views = [study.views(library, visible) for library in (study.library, study.bare)]
    looks = [value_looks(study, models, one, aim) for one in views]
    unseen = learn_unseen(study.learner, looks, labels)
    return PlanValues(*views, *(plan_values(study.learner, look, unseen) for look in looks))


def best_candidates(study: Study, by_view: CandidateValues) -> Longs:
    """Numbers of the most valuable candidates of all blocks, [Q, block_size x budget].

    There are as many as a plan retrieves; -1 where a query has fewer candidates.
    """
    numbers = {entity_id: number for number, entity_id in enumerate(study.learner.entity_ids)}
    limit = study.library.space.block_size * study.library.space.budget
    best = np.full((len(by_view), limit), -1)
    for query, values in enumerate(by_view):
        ordered = sorted(values, key=lambda entity: (-values[entity], entity))[:limit]
        best[query, : len(ordered)] = [numbers[entity] for entity in ordered]
    return best
