"""Scoring speed of a candidate policy in decisions a second of one core: Vowpal Wabbit and ltrr.

Part of `ope_speed.py`. It scores made-up decisions with 210 plans, twenty of them listed, with a
model that Vowpal Wabbit learned from them. It counts processor seconds of all threads:

    vw, text     Vowpal Wabbit predicts from a file with the decisions' text; it parses and scores
    vw, cache    the same from its binary cache of that file, which was parsed before
    scoring      ltrr computes the probability of every plan from shared features and planner
                 values: shortlist, features of the plans, scores, exploration
    one by one   the same for one decision at a time, as in a service
    whole pass   the work of a task of `evaluate_policies`: rows of the log with looks, planner
                 values, q-hat, one policy, all terms
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import vowpalwabbit

from benchmarks.speed_study.decisions import AT_ONCE, OBSERVE, SHORTLIST, SPACE, make_decisions
from ltrr.bandit.examples import write_examples
from ltrr.bandit.learning import list_vw_arguments
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import ExplorationSettings
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import logged_decisions
from ltrr.evaluation.reward_model import PlanRewardModel
from ltrr.evaluation.scoring import score_decisions
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.plan_batch import plan_probabilities

SEED, FEW_DECISIONS = 13, 2_000
VW_TEXT, VW_CACHE, SCORING, ONE_BY_ONE, WHOLE = "vw, text", "vw, cache", "scoring", "one by one", "whole pass"


def measure_scoring(options: argparse.Namespace) -> dict[str, Any]:
    """Core microseconds a decision of each way, and the largest difference of probabilities.

    Each figure is that of the best round. The difference is between the batch and single decisions.
    """
    made = list(make_decisions(np.random.default_rng(SEED), options.scored))
    text, model_file = options.folder / "scored.txt", options.folder / "scored.vw"
    with text.open("wb") as file:
        file.writelines(write_examples(part, SPACE, OBSERVE) for part in made)
    _run("--data", text, "--final_regressor", model_file, *list_vw_arguments(BanditSettings()))
    exploration = ExplorationSettings(shortlist_size=SHORTLIST)
    chooser = PlanChooser(SPACE, exploration, model_file.read_bytes(), OBSERVE)
    shared = np.vstack([part.shared for part in made])
    values = np.round(np.random.default_rng(SEED).beta(2.0, 3.0, size=(options.scored, len(SPACE))), 6)
    keys = [f"query {n % AT_ONCE}" for n in range(options.scored)]
    predict = ("--testonly", "--initial_regressor", model_file, "--data", text)
    _run(*predict, "--cache_file", options.folder / "c")

    def at_once(start: int) -> Any:
        part = slice(start, start + 4_096)
        return plan_probabilities(chooser, keys[part], shared[part], values[part])

    at_once(0)  # reads the weights, as a task does once
    batch = _rows(shared[:FEW_DECISIONS], values[:FEW_DECISIONS], keys[:FEW_DECISIONS])
    q_hat = PlanRewardModel(SPACE, np.zeros(3 + shared.shape[1]), np.zeros(1 + SPACE.draws.shape[1]))
    policy = JudgedPolicy("challenger", "made up", SPACE, chooser)
    ways = {
        VW_TEXT: (options.scored, lambda: _run(*predict)),
        VW_CACHE: (options.scored, lambda: _run(*predict, "--cache_file", options.folder / "c")),
        SCORING: (options.scored, lambda: [at_once(start) for start in range(0, options.scored, 4_096)]),
        ONE_BY_ONE: (
            FEW_DECISIONS,
            lambda: [
                chooser.weigh(*row) for row in zip(keys, shared[:FEW_DECISIONS], values[:FEW_DECISIONS], strict=False)
            ],
        ),
        WHOLE: (FEW_DECISIONS, lambda: score_decisions(list(logged_decisions(batch, SPACE)), [policy], q_hat)),
    }
    taken = {way: _core_microseconds(work, count, options.rounds) for way, (count, work) in ways.items()}
    alone = [chooser.weigh(*row).distribution.dense() for row in zip(keys, shared[:500], values[:500], strict=False)]
    return {"core_microseconds": taken, "furthest": float(np.abs(at_once(0)[:500] - np.array(alone)).max())}


def _core_microseconds(work: Any, count: int, rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start = _cpu()
        work()
        seconds.append(_cpu() - start)
    return 1e6 * min(seconds) / count


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _run(*arguments: str | Path) -> None:
    vowpalwabbit.Workspace(arg_list=["--quiet", *map(str, arguments)]).finish()


def _rows(shared: Any, values: Any, keys: list[str]) -> pa.RecordBatch:
    """Rows of a task of `evaluate_policies`.

    Looks have two candidates of each strategy, and each row has twenty propensities.
    """
    rng = np.random.default_rng(SEED)
    count, texts = len(keys), SPACE.texts
    taken = rng.integers(len(texts), size=count)
    rates = [[0.3, 0.2, 0.1, 0.05]] * len(SPACE.strategies)
    look = [
        [
            {
                "strategy": name,
                "depth": 1,
                "status": "ok",
                "entity_ids": [f"e{n * 7 + s}", f"e{n * 7 + s + 1}"],
                "scores": [2.0, 1.0],
                "overlaps": [[0.5, 0.5]] * 2,
                "clicks": [1.0, 0.0],
                "examinations": [3.0, 2.0],
            }
            for s, name in enumerate(SPACE.strategies)
        ]
        for n in range(count)
    ]
    listed = [[{"action": texts[p], "p": 0.04} for p in np.argsort(-row)[:SHORTLIST]] for row in values]
    return pa.RecordBatch.from_pydict(
        {
            "user_key": [f"u{n % 300}" for n in range(count)],
            "query_key": keys,
            "query_class": ["two_words"] * count,
            "action_taken": [texts[p] for p in taken],
            "logging_propensity": np.full(count, 0.04),
            "action_propensities": listed,
            "floor": np.full(count, 0.001),
            "shared_features": shared.tolist(),
            "hit_rate": [rates] * count,
            "marginal_hit_rate": [rates] * count,
            "look": look,
            "page_reward": rng.random(count),
            "query_mean": rng.random(count),
        }
    )
