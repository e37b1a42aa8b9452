"""The door to the worlds: by name, as the command line has them."""

from __future__ import annotations

from pathlib import Path

from ltrr.errors import UsageError
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.search import Progress
from ltrr.simulation.world import World

WORLDS = ("music", "msrd")


def open_world(
    name: str,
    data: Path | None = None,
    *,
    hybrid: bool = True,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> World:
    """A world with its usual size and users.

    Args:
        name: `music`, which needs nothing, or `msrd`, which needs its data.
        data: folder of the data.
        hybrid: whether the fusion of lexical and semantic search is a strategy.
        cache_folder: where rankings are kept; by default the user's cache.
        progress: of what takes long, (done, all).

    Raises:
        UsageError: no such world, or its data are not there.
    """
    cache = cache_folder or default_cache()
    if name == "music":
        return music_world(hybrid=hybrid, cache_folder=cache, progress=progress)
    if name != "msrd":
        raise UsageError("no such world", which="--world", expected=" or ".join(WORLDS), got=repr(name))
    if data is None:
        raise UsageError(
            "a world of real films needs its data",
            which="--data",
            expected="the folder with corpus.jsonl.gz and judgments.tsv.gz",
            todo="name it with --data DIR, or use --world music, which needs none",
        )
    return msrd_world(data, hybrid=hybrid, cache_folder=cache, progress=progress)
