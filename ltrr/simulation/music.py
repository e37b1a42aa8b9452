"""The generated world: music search, seeded, no data needed.

Every parameter is set from what search looks like, with its reason in docs/studies/worlds.md, and none was tuned.
"""

from __future__ import annotations

from pathlib import Path

from ltrr.simulation.music_catalogue import music_catalogue
from ltrr.simulation.music_queries import music_queries
from ltrr.simulation.search import search_everything
from ltrr.simulation.semantic import is_installed
from ltrr.simulation.strategy import Progress, SearchPlan
from ltrr.simulation.users import UserModel
from ltrr.simulation.world import World


def music_world(
    *,
    artists: int = 250,
    queries: int = 3_000,
    seed: int = 11,
    users: UserModel | None = None,
    hybrid: bool = True,
    semantic: bool | None = None,
    block_size: int = 2,
    budget: int = 4,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> World:
    """Generate a catalogue of about 12 entities an artist and search it.

    Args:
        artists: how many.
        queries: how many query_keys.
        seed: of catalogue and queries.
        users: who searches.
        hybrid: whether the fusion of lexical and semantic search is a strategy.
        semantic: whether sentence vectors are used; by default where their wheels are installed. Without them a
            strategy over pieces of words, `ngrams`, takes their place, and the world's notes say so.
        block_size: candidates in one block.
        budget: blocks in one plan.
        cache_folder: where rankings and vectors are kept.
        progress: of the vectors, (done, all).
    """
    by_meaning = is_installed() if semantic is None else semantic
    catalogue = music_catalogue(artists, seed)
    asked = music_queries(catalogue, queries, seed)
    entities = tuple(item.entity for item in catalogue)
    plan = SearchPlan(
        all_text="lexical", structured=("artist", "genre", "kind", "year"), hybrid=hybrid, semantic=by_meaning
    )
    texts = [query.query_text for query in asked]
    return World(
        name="music",
        entities=entities,
        queries=asked,
        rankings=search_everything(entities, texts, plan, block_size * budget, cache_folder, progress),
        users=users or UserModel(),
        block_size=block_size,
        budget=budget,
        notes=()
        if by_meaning
        else ("no sentence vectors are installed: pieces of words (`ngrams`) stand in for meaning",),
    )
