"""The worlds of a demo, each with the number of searches per day that lets the gate decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltrr.errors import UsageError
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.world import World

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class WorldChoice:
    """The world of a demo.

    Attributes:
        name: `music` or `msrd`.
        data: Folder of the world's data; None for a world that needs none.
        hybrid: Whether the fusion of lexical and semantic search is one of the strategies.
    """

    name: str = "music"
    data: Path | None = None
    hybrid: bool = True


# The first look at a challenger uses one day of plans that were drawn uniformly. One impression in
# 12 to 24 of them is evidence for a challenger that explores. 6,000 of them showed +18 % at four
# standard errors; the bound of the first night is 3.9 (docs/studies/exploration.md). There are 126
# plans in music, and 210 in msrd.
IMPRESSIONS = {"music": 15_000, "msrd": 40_000}


def check_choice(choice: WorldChoice) -> None:
    """Check that the world exists and that its data are given.

    Raises:
        UsageError: the world is unknown, or its data are missing.
    """
    if choice.name not in IMPRESSIONS:
        raise UsageError("unknown world", which="--world", expected=" | ".join(IMPRESSIONS), got=choice.name)
    if choice.name == "msrd" and (choice.data is None or not choice.data.is_dir()):
        raise UsageError(
            "the simulated world msrd needs a folder with its data",
            which="--data",
            expected="a folder with corpus.jsonl.gz and judgments.tsv.gz",
            got=str(choice.data or "nothing"),
        )


def build_world(choice: WorldChoice, cache_folder: Path, progress: Progress | None = None) -> World:
    """Build the world and search it; slow results are kept in `cache_folder` for the next time."""
    check_choice(choice)
    if choice.data is not None and choice.name == "msrd":
        return msrd_world(choice.data, hybrid=choice.hybrid, cache_folder=cache_folder, progress=progress)
    return music_world(hybrid=choice.hybrid, cache_folder=cache_folder, progress=progress)
