"""Detection of wrong rows in a night of a trained policy: by replay, and by the mean weight.

The bundle is trained on one day of a uniform log and published. It serves a day through the code of
a service, and the `ingest_logs` job ingests that day. Then 1 % of its rows get a propensity that is
wrong by a factor of two.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.exploration import DAY, serve, train
from ltrr.arrays import Floats
from ltrr.artifacts.bundle import publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.config import Settings, load_settings
from ltrr.core.exploration import ExplorationSettings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.worlds import WorldChoice, build_world
from ltrr.evaluation.judged_impressions import judged_impressions
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import COLUMNS, logged_decisions
from ltrr.evaluation.published import read_planning_parts
from ltrr.evaluation.replay_check import ReplayCheck, replay_sample, sample_served
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.runner import run_job
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.policy import Policy
from ltrr.simulation.day import serve_day
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.world import World
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session
from ltrr.tables.catalog import table

SAMPLES = (50, 100, 200, 459, 1_000)
SHARE, TOLERANCE, SHORTLIST = 0.01, 1e-6, 20
LIMITS = (1.96, 4.0)
"""Standard errors of the mean weight: a test at 5 %, and the limit at which a verdict warns."""
WHOLE_CHECKS = 20
"""Number of corrupted nights on which `replay_sample` runs; the others only draw its sample."""


def study_replay(decisions: int, trials: int, seed: int) -> dict[str, Any]:
    """Figures of one night.

    Args:
        decisions: Number of decisions of the night.
        trials: Number of random corruptions.
        seed: Seed of the corruptions and of the redrawn actions.
    """
    os.environ.setdefault(SECRET_VARIABLE, "a benchmark's")
    world = build_world(WorldChoice("music"), default_cache())
    settings = world.policy_settings()
    model = train(settings, serve(world, Policy.of(*uniform_bundle(settings, DAY)), 6_000), SHORTLIST)
    settings = replace(settings, exploration=ExplorationSettings(0.1, 0.1, SHORTLIST))
    with tempfile.TemporaryDirectory() as folder:
        night, version = _serve_night(Path(folder), world, settings, model, decisions)
        spark = build_session("propensities", night.spark)
        run_job(spark, night, "ingest_logs", DAY)
        warehouse = Warehouse(spark, night.paths.tables)
        logged = warehouse.read(table("decisions")).cache()
        typed = warehouse.read(table("impressions")).cache()
        parts = read_planning_parts(night.paths.policies, settings.name, [version])

        def check(rows: DataFrame, sample: int) -> ReplayCheck:
            return replay_sample(rows, typed, parts, sample=sample, tolerance=TOLERANCE)

        rng = np.random.default_rng(seed)
        figures = _measure_replay(logged, check, decisions, trials, rng)
        pages = judged_impressions(logged, warehouse.read(table("slate_rows")), [version])
        return figures | {"version": version, "mean_weight": _mean_weights(pages, settings, model, trials, rng)}


def _serve_night(
    home: Path, world: World, settings: PolicySettings, model: bytes, decisions: int
) -> tuple[Settings, str]:
    """Publish the bundle in a new home and serve one day; return settings and version."""
    write_demo_settings(home, settings, DAY)
    night = load_settings(home)
    root, name = night.paths.policies, settings.name
    version = publish_bundle(root, name, Manifest(settings, DAY - timedelta(days=1)), {"bandit.vw": model})
    logs = Path(night.paths.logs)
    serve_day(world, Policy.load(f"{root}/{name}", version), DAY, impressions=decisions, seed=2, logs_root=logs)
    return night, version


def _measure_replay(
    logged: DataFrame,
    check: Callable[[DataFrame, int], ReplayCheck],
    decisions: int,
    trials: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Numbers of unequal rows that replay finds in the correct night and in corrupted nights."""
    correct = check(logged, decisions)
    order = [row[0] for row in sample_served(logged, decisions).select("impression_id").collect()]
    wrong = round(SHARE * len(order))
    whole = [
        check(_corrupt(logged, rng.choice(order, wrong, replace=False).tolist(), rng.choice((0.5, 2.0))), 459)
        for _ in range(WHOLE_CHECKS)
    ]
    corrupted = rng.choice(order, wrong, replace=False).tolist()
    all_rows = check(_corrupt(logged, corrupted, 2.0), decisions)
    # A sample contains a wrong row if it is larger than the place of the first one in the order.
    first = np.array([rng.choice(len(order), wrong, replace=False).min() for _ in range(trials)])
    return {
        "decisions": len(order),
        "honest": {"replayed": correct.replayed, "unequal": correct.unequal, "worst": correct.worst_difference},
        "wrong": {"marked": wrong, "found_of_all": all_rows.unequal},
        "whole_checks": {"runs": len(whole), "sample": 459, "found": sum(not one.passes for one in whole)},
        "samples": [
            {"rows": rows, "found": float((first < rows).mean()), "by_formula": 1.0 - (1.0 - SHARE) ** rows}
            for rows in SAMPLES
        ],
    }


def _corrupt(logged: DataFrame, impressions: list[str], factor: float) -> DataFrame:
    """The log in which the logged propensity of some impressions is multiplied by a factor."""
    p = F.col("logging_propensity")
    # A propensity above .5 cannot be doubled: it is halved.
    wrong = F.when(p * F.lit(float(factor)) > 1.0, p / 2.0).otherwise(p * F.lit(float(factor)))
    return logged.withColumn("logging_propensity", F.when(F.col("impression_id").isin(impressions), wrong).otherwise(p))


def _mean_weights(pages: DataFrame, settings: Any, model: bytes, trials: int, rng: np.random.Generator) -> list[Any]:
    """Rates at which the mean weight differs from 1 by more than LIMITS standard errors.

    The rates are for 1 % wrong rows and for no wrong row. Every trial draws the actions of the
    night again from the probabilities of the bundle.
    """
    space = settings.space
    rows = pages.withColumn("query_mean", F.lit(0.0)).select(*COLUMNS).toArrow()
    seen = [one for batch in rows.to_batches() for one in logged_decisions(batch, space)]

    def policy(name: str, **changes: Any) -> JudgedPolicy:
        exploration = replace(settings.exploration, **changes)
        return JudgedPolicy(name, name, space, PlanChooser(space, exploration, model, settings.observe))

    logging = np.array([policy("logging").probabilities(one) for one in seen])
    favourite = int(np.bincount([one.plan for one in seen]).argmax())
    judged = {
        "near: temperature .12": policy("near", temperature=0.12),
        "warmer: temperature .2": policy("warmer", temperature=0.2),
        "colder: temperature .05": policy("colder", temperature=0.05),
        "uniform": JudgedPolicy("uniform", "uniform", space),
        "static: the most frequent plan": JudgedPolicy("static", "static", space, plan=favourite),
    }
    ratios = {name: np.array([one.probabilities(d) for d in seen]) / logging for name, one in judged.items()}
    bounds = logging.cumsum(axis=1)
    sizes = sorted({min(size, len(seen)) for size in (1_000, 3_000, len(seen))})
    counts = _count_beyond(ratios, bounds, sizes, trials, rng)
    return [
        {
            "policy": name,
            "rows": size,
            "effective_sample": float(1.0 / (logging[:size] * ratios[name][:size] ** 2).sum(axis=1).mean()),
            **{
                f"{kind}_beyond_{limit:g}": count[name, size, limit] / trials
                for kind, count in counts.items()
                for limit in LIMITS
            },
        }
        for name in judged
        for size in sizes
    ]


def _count_beyond(
    ratios: dict[str, Floats], bounds: Floats, sizes: list[int], trials: int, rng: np.random.Generator
) -> dict[str, dict[tuple[str, int, float], int]]:
    """Numbers of trials whose mean weight is beyond each limit, by policy and number of rows.

    `found` is for corrupted logs, `false` for correct logs.
    """
    places = np.arange(len(bounds))
    found = {(name, size, limit): 0 for name in ratios for size in sizes for limit in LIMITS}
    falsely = dict(found)
    for _ in range(trials):
        action = (rng.random(len(bounds))[:, None] > bounds).sum(axis=1).clip(0, bounds.shape[1] - 1)
        is_wrong = rng.random(len(bounds)) < SHARE
        wrong = np.where(is_wrong, rng.choice((0.5, 2.0)), 1.0)
        for name, ratio in ratios.items():
            correct = ratio[places, action]
            for size in sizes:
                for count, w in ((found, (correct * wrong)[:size]), (falsely, correct[:size])):
                    off = abs(w.mean() - 1.0) * np.sqrt(size)
                    for limit in LIMITS:
                        count[name, size, limit] += off > limit * w.std()
    return {"found": found, "false": falsely}
