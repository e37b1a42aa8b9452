"""The generated world: music search from a seed, without data.

docs/studies/worlds.md gives the reason for every parameter. None was tuned.
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
    """Generate a catalogue of about 12 entities per artist and search it.

    Args:
        artists: Number of artists.
        queries: Number of query_keys.
        seed: Seed of catalogue and queries.
        users: User model.
        hybrid: Whether the fusion of lexical and semantic search is a strategy.
        semantic: Whether sentence vectors are used; by default if their packages are installed.
            Otherwise a strategy over trigrams of words, `ngrams`, takes their place, and the notes
            of the world say so.
        block_size: Number of candidates in one block.
        budget: Number of blocks in one plan.
        cache_folder: Folder of rankings and vectors.
        progress: Progress of the vectors, (done, all).
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
