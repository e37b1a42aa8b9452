"""The registry of strategies of simulated worlds, in the order in which a world lists them.

To add a strategy, declare its `WorldStrategy` in a module of its own and add one line to
`STRATEGIES`. Every world whose search plan uses it then has it: its rankings, its policy settings,
its days and its table of true values.
"""

from __future__ import annotations

from ltrr.simulation.fusion import fused_ranking
from ltrr.simulation.lexical import bm25_ranking, trigrams
from ltrr.simulation.popular import popularity_ranking
from ltrr.simulation.rankings import Ranking
from ltrr.simulation.semantic import semantic_ranking, sentence_vectors
from ltrr.simulation.strategy import Progress, SearchTask, WorldStrategy


def _search_by_meaning(task: SearchTask) -> Ranking:
    total = len(task.prose) + len(task.queries)

    def after(before: int) -> Progress | None:
        """The progress of one of two parts, as that of both."""
        report = task.progress
        return None if report is None else lambda done, _: report(before + done, total)

    return semantic_ranking(
        sentence_vectors(task.prose, task.cache_folder, after(0)),
        sentence_vectors(task.queries, task.cache_folder, after(len(task.prose))),
        task.depth,
    )


def _fuse(task: SearchTask) -> Ranking:
    meaning = "semantic" if task.plan.semantic else "ngrams"
    return fused_ranking(task.rankings[task.plan.all_text], task.rankings[meaning], task.depth)


STRATEGIES: dict[str, WorldStrategy] = {
    "title": WorldStrategy(
        lambda task: bm25_ranking(task.titles, task.queries, task.depth),
        lambda task: task.titles,
        is_used=lambda plan: plan.title,
    ),
    "all-text": WorldStrategy(
        lambda task: bm25_ranking(task.everything, task.queries, task.depth),
        lambda task: task.everything,
        name=lambda plan: plan.all_text,
    ),
    "structured": WorldStrategy(
        lambda task: bm25_ranking(task.facts, task.queries, task.depth), lambda task: task.facts
    ),
    "popularity": WorldStrategy(
        lambda task: popularity_ranking(task.titles, task.popularity, task.queries, task.depth),
        lambda task: [
            f"{title}\t{weight}" for title, weight in zip(task.titles, task.popularity.tolist(), strict=True)
        ],
    ),
    "semantic": WorldStrategy(_search_by_meaning, lambda task: task.prose, is_used=lambda plan: plan.semantic),
    "ngrams": WorldStrategy(
        lambda task: bm25_ranking(task.everything, task.queries, task.depth, trigrams),
        lambda task: task.everything,
        is_used=lambda plan: not plan.semantic,
    ),
    "hybrid": WorldStrategy(_fuse, is_used=lambda plan: plan.hybrid),
}
