"""Strategy history of a uniform log: hit rates of blocks by query class, from clicks alone."""

from __future__ import annotations

import numpy as np

from benchmarks.learned_retrieval.study import Study
from ltrr.arrays import Floats
from ltrr.core.planning import History
from ltrr.core.queries import query_class


def histories(study: Study) -> list[History]:
    """Strategy history of the class of each query, [Q].

    The history is a mean over training queries, weighted by their searches. The hit rate of a block
    is the value of its entities by the query's own clicks. The marginal hit rate counts entities
    that no other block of a uniform plan contains.
    """
    space, learner = study.library.space, study.learner
    by_view, _ = study.full_values
    searched = np.bincount(learner.log.queries, minlength=len(learner.keys)).astype(np.float64)
    classes = [query_class(key) for key in learner.keys]
    sums: dict[str, Floats] = {}
    for query in np.flatnonzero(learner.is_train).tolist():
        listing, values = _listing(study, query, by_view[query])
        drawn = space.draws @ listing
        alone = (space.draws.T @ (drawn == 1.0)) / space.draws.sum(axis=0)[:, None]
        hits = np.stack((listing @ values, (listing * alone) @ values, np.ones(len(listing))))
        for name in ("", classes[query]):
            sums[name] = sums.get(name, 0.0) + searched[query] * hits
    by_class = {}
    for name, (hit, marginal, weight) in sums.items():
        shape = (len(space.strategies), space.budget)
        by_class[name] = History((hit / weight).reshape(shape), (marginal / weight).reshape(shape))
    return [by_class.get(name, by_class[""]) for name in classes]


def _listing(study: Study, query: int, by_view: dict[str, float]) -> tuple[Floats, Floats]:
    """Whether each block contains each candidate, [S * D, E], and the candidates' values, [E]."""
    space = study.library.space
    column = {entity: place for place, entity in enumerate(by_view)}
    listing = np.zeros((space.draws.shape[1], max(len(column), 1)))
    for s, blocks in enumerate(study.library.blocks[query]):
        for block in blocks:
            for entity in block.entity_ids:
                listing[s * space.budget + block.depth - 1, column[entity]] = 1.0
    return listing, np.array(list(by_view.values()) or [0.0])
