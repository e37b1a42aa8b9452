"""Bias and error of each estimator, from many logs of one world with an exact truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan, sqrt
from typing import Any

import numpy as np

from benchmarks.plan_logs.exact import DESIGN, PERFECT, Exact, entity_errors, sequence_errors, set_errors
from benchmarks.plan_logs.judging import Estimates, Judge, PolicyPropensities, judge_draws, judge_plans
from benchmarks.plan_logs.log import simulate_draw_log, simulate_plan_log
from benchmarks.plan_logs.pages import pages_of
from benchmarks.plan_logs.policies import DrawPolicy, States, block_gains, draw_policies
from ltrr.arrays import Floats
from ltrr.simulation.world import World

Row = dict[str, Any]

REFERENCE = {"draw": "sequence_ips", "plan": "snips"}
PLAN_EPSILON = {"uniform": 1.0, "epsilon .3": 0.3}
TARGET_EPSILON = 0.1
LARGE = 50_000
"""Number of impressions of the log on which q-hat is fitted for exact errors."""


def study_world(world: World, repetitions: Mapping[int, int], seed: int) -> Iterable[Row]:
    """Rows of every log, target, number of impressions, reward and estimator.

    Args:
        world: World of known truth.
        repetitions: Number of impressions of a log -> number of logs.
        seed: Seed of all random numbers.
    """
    pages = pages_of(world, seed)
    states = States.of(len(pages.space.strategies), pages.space.budget)
    judge = Judge(pages, states, block_gains(pages, states))
    for log_name, policy, targets in draw_policies(pages, states, judge.gains):
        logging = PolicyPropensities.of(judge, policy.plan_propensities(pages), policy)
        sides = {name: PolicyPropensities.of(judge, one.plan_propensities(pages), one) for name, one in targets.items()}
        large = simulate_draw_log(pages, policy, LARGE, np.random.default_rng([seed, 0, 1]))
        exact = {
            name: sequence_errors(judge, targets[name], policy, side)
            | set_errors(judge, logging, side, large, "union_ips", "union_dr")
            | entity_errors(judge, logging, side)
            for name, side in sides.items()
        }
        for n, times in repetitions.items():
            rng = np.random.default_rng([seed, n, 1])
            logs = [judge_draws(judge, simulate_draw_log(pages, policy, n, rng), logging, sides) for _ in range(times)]
            for name, side in sides.items():
                cell = {"world": world.name, "decide": "draw", "log": log_name, "differs": name, "n": n}
                yield from _rows(judge, cell, side, [log[name] for log in logs], exact[name])
        yield from _plan_rows(judge, world.name, log_name, policy, targets["all"], repetitions, seed)


def _plan_rows(
    judge: Judge,
    world: str,
    log_name: str,
    policy: DrawPolicy,
    target: DrawPolicy,
    repetitions: Mapping[int, int],
    seed: int,
) -> Iterable[Row]:
    """Rows of logs whose plans were chosen in one step.

    The policies take the plan that is drawn without exploration, or with probability epsilon a
    uniform plan.
    """
    logging = PolicyPropensities.of(judge, _explore_plans(judge, policy, PLAN_EPSILON[log_name]))
    judged = PolicyPropensities.of(judge, _explore_plans(judge, target, TARGET_EPSILON))
    large = simulate_plan_log(judge.pages, logging.plans, LARGE, np.random.default_rng([seed, 0, 2]))
    exact = set_errors(judge, logging, judged, large, "ips", "dr") | entity_errors(judge, logging, judged)
    for n, times in repetitions.items():
        rng = np.random.default_rng([seed, n, 2])
        logs = [
            judge_plans(judge, simulate_plan_log(judge.pages, logging.plans, n, rng), logging, judged)
            for _ in range(times)
        ]
        cell = {"world": world, "decide": "plan", "log": log_name, "differs": "all", "n": n}
        yield from _rows(judge, cell, judged, logs, exact)


def _explore_plans(judge: Judge, policy: DrawPolicy, epsilon: float) -> Floats:
    plans = len(judge.pages.space)
    propensities = np.full((len(judge.pages.traffic), plans), epsilon / plans)
    propensities[np.arange(len(propensities)), policy.greedy_plans(judge.pages)] += 1.0 - epsilon
    return propensities


def _rows(judge: Judge, cell: Row, side: PolicyPropensities, logs: list[Estimates], exact: Exact) -> Iterable[Row]:
    for kind, name in logs[0]:
        truth, reference = judge.pages.value(side.plans, kind), REFERENCE[cell["decide"]]
        values = np.array([log[kind, name][0].value for log in logs])
        errors = np.array([log[kind, name][0].standard_error for log in logs])
        references = np.array([log[kind, reference][0].value for log in logs])
        known = np.isfinite(values) & np.isfinite(errors)
        off = values[known] - truth
        rmse, measured = sqrt((off**2).mean()), sqrt(np.nanmean((references - truth) ** 2))
        exact_rmse = exact.get((kind, name), nan) / sqrt(cell["n"])
        against = exact[kind, reference] / sqrt(cell["n"]) if (kind, reference) in exact else measured
        # All logs together may lack rare draws with large weights. Their spread is then too small.
        error = np.nanmax([off.std(ddof=1), exact_rmse]) / sqrt(len(off))
        yield {
            **cell,
            "reward": kind,
            "estimator": name,
            "repetitions": len(logs),
            "undefined": int((~known).sum()),
            "truth": truth,
            "bias": off.mean() / truth,
            "bias_error": float(error) / truth,
            "sd": off.std(ddof=1) / truth,
            "rmse": rmse / truth,
            "exact_rmse": exact_rmse / truth,
            "ratio": (exact_rmse if (kind, name) in exact else rmse) / against,
            "ratio_measured": rmse / measured,
            "perfect_ratio": exact[kind, PERFECT] / sqrt(cell["n"]) / against,
            "covers": float((np.abs(off) <= 1.959964 * errors[known]).mean()),
            "design_sample": cell["n"] * exact[kind, DESIGN] if name.startswith("inclusion") else nan,
            "evidence": float(np.median([log[kind, name][1] for log in logs])),
        }
