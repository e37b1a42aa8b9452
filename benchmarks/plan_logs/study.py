"""Logs of one world again and again: how far is each estimator from the exact truth?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from ltrr.simulation.world import World
from plan_logs.judging import Found, Judge, Side, judge_draws, judge_plans
from plan_logs.log import drawn_log, planned_log
from plan_logs.pages import Floats, pages_of
from plan_logs.policies import DrawPolicy, States, block_gains, draw_policies

Row = dict[str, Any]

REFERENCE = {"draw": "sequence_ips", "plan": "snips"}
PLAN_EPSILON = {"uniform": 1.0, "epsilon .3": 0.3}
TARGET_EPSILON = 0.1


def study_world(world: World, repetitions: Mapping[int, int], seed: int) -> Iterable[Row]:
    """Rows of every log, target, number of impressions, reward and estimator.

    Args:
        world: whose truth.
        repetitions: number of impressions -> logs of that size.
        seed: of everything.
    """
    pages = pages_of(world, seed)
    states = States.of(len(pages.space.strategies), pages.space.budget)
    judge = Judge(pages, states, block_gains(pages, states))
    for log_name, policy, targets in draw_policies(pages, states, judge.gains):
        logging = Side.of(judge, policy.plan_propensities(pages), policy)
        sides = {name: Side.of(judge, one.plan_propensities(pages), one) for name, one in targets.items()}
        for n, times in repetitions.items():
            rng = np.random.default_rng([seed, n, 1])
            logs = [judge_draws(judge, drawn_log(pages, policy, n, rng), logging, sides) for _ in range(times)]
            for name, side in sides.items():
                cell = {"world": world.name, "decide": "draw", "log": log_name, "differs": name, "n": n}
                exact = _sequence_errors(judge, targets[name], policy, side, n)
                yield from _rows(judge, cell, side, [log[name] for log in logs], exact)
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
    """Rows of logs whose plans were chosen at once: the plan that would have been drawn without exploring, or any."""
    logging = Side.of(judge, _explored(judge, policy, PLAN_EPSILON[log_name]))
    judged = Side.of(judge, _explored(judge, target, TARGET_EPSILON))
    for n, times in repetitions.items():
        rng = np.random.default_rng([seed, n, 2])
        logs = [
            judge_plans(judge, planned_log(judge.pages, logging.plans, n, rng), logging, judged) for _ in range(times)
        ]
        cell = {"world": world, "decide": "plan", "log": log_name, "differs": "all", "n": n}
        yield from _rows(judge, cell, judged, logs, {})


def _explored(judge: Judge, policy: DrawPolicy, epsilon: float) -> Floats:
    plans = len(judge.pages.space)
    propensities = np.full((len(judge.pages.traffic), plans), epsilon / plans)
    propensities[np.arange(len(propensities)), policy.greedy_plans(judge.pages)] += 1.0 - epsilon
    return propensities


def _sequence_errors(judge: Judge, target: DrawPolicy, logging: DrawPolicy, side: Side, n: int) -> dict[str, float]:
    """Exact RMSE of sequence_ips on n impressions, by reward: its mean square is a sum over all orders of all plans."""
    pages = judge.pages
    squared = target.squared_weights(pages, logging)
    return {
        kind: sqrt(
            (pages.traffic @ (squared * pages.squares[kind]).sum(axis=1) - pages.value(side.plans, kind) ** 2) / n
        )
        for kind in pages.worth
    }


def _rows(judge: Judge, cell: Row, side: Side, logs: list[Found], exact: Mapping[str, float]) -> Iterable[Row]:
    for kind, name in logs[0]:
        truth = judge.pages.value(side.plans, kind)
        values = np.array([log[kind, name][0].value for log in logs])
        errors = np.array([log[kind, name][0].standard_error for log in logs])
        references = np.array([log[kind, REFERENCE[cell["decide"]]][0].value for log in logs])
        known = np.isfinite(values) & np.isfinite(errors)
        off = values[known] - truth
        measured = sqrt(np.nanmean((references - truth) ** 2))
        rmse = sqrt((off**2).mean())
        yield {
            **cell,
            "reward": kind,
            "estimator": name,
            "repetitions": len(logs),
            "undefined": int((~known).sum()),
            "truth": truth,
            "bias": off.mean() / truth,
            "bias_error": off.std(ddof=1) / sqrt(len(off)) / truth,
            "sd": off.std(ddof=1) / truth,
            "rmse": rmse / truth,
            "reference_rmse": exact.get(kind, measured) / truth,
            "ratio": rmse / exact.get(kind, measured),
            "ratio_measured": rmse / measured,
            "covers": float((np.abs(off) <= 1.959964 * errors[known]).mean()),
            "evidence": float(np.median([log[kind, name][1] for log in logs])),
        }
