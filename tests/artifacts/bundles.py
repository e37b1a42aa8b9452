"""Small bundles for tests: real models, trained on made-up decisions."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from ltrr.artifacts.history import FILE, QueryHistories
from ltrr.artifacts.learned_values import LearnedValues, block_value_file, unseen_value_file
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.memory_part import MemoryEntry, memory_part_bytes, part_name
from ltrr.bandit.values import ValueSettings, fit_candidate_value, fit_unseen_value
from ltrr.core.candidate_features import candidate_features
from ltrr.core.coverage import look_features
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.hashing import bucket
from ltrr.core.planning import Block, History, plan_values
from ltrr.core.ranker_features import ranker_features
from ltrr.core.text_overlap import EntityFields
from ltrr.core.vw_text import decision_example

STRATEGIES = ("title", "all_fields", "popular", "memory")
QUERIES = ("the matrix", "love", "blade runner 2049", "songs to fall asleep to", "bad guy", "")
SETTINGS = PolicySettings("search", STRATEGIES, block_size=2, budget=3, exploration=ExplorationSettings(0.05, 0.2, 5))


def looks_of(query: int, settings: PolicySettings = SETTINGS) -> list[Block]:
    """First blocks for a made-up query; some are short, some failed, some share entities."""
    random = np.random.default_rng(query)
    looks = []
    for strategy in settings.strategies:
        size = int(random.integers(0, settings.block_size + 1))
        ids = tuple(f"e{n}" for n in random.choice(9, size=size, replace=False))
        scores = tuple(sorted(random.random(size).round(4).tolist(), reverse=True))
        looks.append(Block(strategy, 1, "ok" if ids else str(random.choice(["empty", "timeout"])), ids, scores))
    return looks


def drawn_of(blocks: tuple[tuple[str, int], ...], looks: list[Block]) -> list[Block]:
    """Blocks that the strategies answer for a plan: the looks, and deeper blocks."""
    first = {(look.strategy, look.depth): look for look in looks}
    return [first.get(block) or Block(*block, "ok", (f"{block[0]}-{block[1]}", "e3"), (0.2, 0.1)) for block in blocks]


@cache
def bandit_bytes(arguments: str = "--cb_adf --cb_type mtr") -> bytes:
    """A bandit that has learned that blocks of the memory have a high reward."""
    import vowpalwabbit

    workspace = vowpalwabbit.Workspace(f"{arguments} -q qb -q vb --quiet --random_seed 3")
    random = np.random.default_rng(3)
    space = SETTINGS.space
    for query in range(300):
        looks = looks_of(query)
        values = plan_values(space, looks, History.prior(space))
        shortlist = shortlist_of(values, 5)
        taken = int(random.integers(len(shortlist)))
        reward = 0.2 + 0.3 * ("memory" in space.text(int(shortlist[taken]))) - float(values.max())
        shared = shared_vector(space, looks, QUERIES[query % len(QUERIES)])
        features = action_matrix(space, values, shortlist)
        workspace.learn(decision_example(space, shared, shortlist, features, label=(taken, reward, 0.2)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        workspace.save(str(path))
        workspace.finish()
        return path.read_bytes()


@cache
def ranker_bytes() -> bytes:
    """A ranker that prefers entities that the memory lists."""
    import xgboost

    names = [feature.name for feature in ranker_features(SETTINGS.space)]
    random = np.random.default_rng(4)
    features = random.random((400, len(names)))
    label = features[:, names.index("reciprocal_rank:memory")]
    matrix = xgboost.DMatrix(features, label=label, group=[8] * 50)
    booster = xgboost.train(
        {"objective": "rank:ndcg", "ndcg_exp_gain": False, "max_depth": 3, "nthread": 1, "seed": 4}, matrix, 12
    )
    return bytes(booster.save_raw("ubj"))


FIELDS = {
    f"e{n}": EntityFields(title, people="Carrie-Anne", year=1999.0 + n, popularity=float(n))
    for n, title in enumerate(("The Matrix", "Love", "Bad Guy", "Blade Runner", "Songs to Sleep", "Asleep", "Guy"))
}
"""Fields of the entities that the service knows; those of two entities are unknown."""

VALUES = LearnedValues(folds=2, strength=3.0)


@cache
def value_files() -> dict[str, bytes]:
    """Models of values, different for each fold, trained on random numbers."""
    random = np.random.default_rng(5)
    settings = ValueSettings(candidate_rounds=8, unseen_rounds=8)
    columns = len(candidate_features(SETTINGS.space))
    wide, plans = len(look_features(SETTINGS.space)), len(SETTINGS.space)
    files = {}
    for fold in range(VALUES.folds):
        rows, clicks, examined = random.random((300, columns), np.float32), random.random(300), np.ones(300)
        files[block_value_file(fold)] = fit_candidate_value(rows, clicks, examined, examined, settings)
        looks = random.random((600, wide), np.float32)
        added = looks[:, :plans].astype(np.float64)
        files[unseen_value_file(fold)] = fit_unseen_value(looks, added, np.ones(added.shape, dtype=np.bool_), settings)
    return files


def memory_files(parts: int = 2) -> dict[str, bytes]:
    """A memory of three queries, two of them with the evidence behind the scores."""
    rows = {
        "the matrix": [MemoryEntry("e1", 0.5, 1.5, 3.0), MemoryEntry("e2", 0.75, 6.0, 8.1)],
        "love": [MemoryEntry("e9", 0.25)],
        "bad guy": [MemoryEntry("e5", 0.1, 0.1, 1.0), MemoryEntry("e4", 0.1)],
    }
    return {
        part_name(part): memory_part_bytes([row for row in rows.items() if bucket(row[0], parts) == part])
        for part in range(parts)
    }


def learned_bundle(day: int = 2) -> tuple[Manifest, dict[str, bytes]]:
    """Bandit, ranker, memory and history."""
    space = SETTINGS.space
    prior = History.prior(space)
    histories = QueryHistories(space, prior, {"digits": History(prior.hit_rate * 0.5, prior.marginal_hit_rate)})
    files = {
        "bandit.vw": bandit_bytes(),
        "ranker.ubj": ranker_bytes(),
        FILE: histories.to_bytes(),
        **memory_files(),
    }
    return Manifest(SETTINGS, date(2026, 3, day), run_id="run", created_at="2026-03-03T04:00:00Z"), files


def valued_bundle() -> tuple[Manifest, dict[str, bytes]]:
    """`learned_bundle` with learned values."""
    manifest, files = learned_bundle()
    return replace(manifest, values=VALUES), {**files, **value_files()}
