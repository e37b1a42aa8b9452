"""Lexical search: Okapi BM25, computed by `bm25s`.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The variant
and defaults are Lucene's, k1 = 1.2 and b = 0.75, over the words of the canonical form
(`core.queries.canonical_form`), without stemming and stop words. Equal scores are in the order of
the catalogue. No parameter was tuned. BM25 over trigrams of words is the strategy for misspelt
queries if no language model is installed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import cast

from ltrr.core.queries import canonical_form
from ltrr.errors import ConfigError
from ltrr.simulation.rankings import Ranking, best_first, ranking_of

K1 = 1.2
B = 0.75


def words(text: str) -> list[str]:
    """Words of a text or query.

    >>> words("Spider-Man: No Way Home")
    ['spider', 'man', 'no', 'way', 'home']
    """
    return canonical_form(text).split()


def trigrams(text: str) -> list[str]:
    """Trigrams of every word with marked ends; one wrong letter changes at most three of them.

    >>> trigrams("Love it")
    ['_lo', 'lov', 'ove', 've_', '_it', 'it_']
    """
    return [f"_{word}_"[start : start + 3] for word in words(text) for start in range(len(word))]


def bm25_ranking(
    documents: Sequence[str], queries: Sequence[str], limit: int, tokens: Callable[[str], list[str]] = words
) -> Ranking:
    """Rank the documents for every query; a document without a token of the query is not listed.

    >>> ranking = bm25_ranking(["blade runner", "the runner", "love"], ["runner", "hate"], limit=2)
    >>> ranking.entities.tolist()
    [[0, 1], [-1, -1]]

    Raises:
        ConfigError: The package bm25s is not installed.
    """
    index = _load_bm25s().BM25(k1=K1, b=B, method="lucene")
    index.index([tokens(document) for document in documents], show_progress=False)

    def search(query: str) -> tuple[list[int], list[float]]:
        known = [token for token in tokens(query) if token in index.vocab_dict]
        if not known:
            return [], []
        scores = index.get_scores(known)
        found = best_first(scores, limit)
        return found.tolist(), scores[found].tolist()

    return ranking_of(map(search, queries), limit)


def _load_bm25s() -> ModuleType:
    """Import the library on use, so that other commands run without the extra `worlds`."""
    try:
        import bm25s
    except ModuleNotFoundError as missing:
        raise ConfigError(
            "a simulated world needs a package that is not installed",
            which="bm25s",
            todo="install the extra `worlds`: pip install 'ltrr[batch,worlds]'",
        ) from missing
    # The import of bm25s sets its logger to DEBUG.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return cast("ModuleType", bm25s)
