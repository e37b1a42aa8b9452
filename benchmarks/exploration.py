"""Cost and benefit of exploration: true value as served, impressions needed for a verdict.

    python benchmarks/exploration.py music --impressions 20000 --held-out-percent 30
    python benchmarks/exploration.py msrd --data DIR --impressions 30000

The benchmark logs one day of a uniform policy in a world of known truth, and trains a bandit on the
training users for each shortlist size. It then judges the bandit with every kind of exploration,
without Spark. The last columns are the price of exploration (`ltrr.publishing.exploration_price`),
from the same held-out impressions.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import DATA_HELP, new_parser
from ltrr.artifacts.bundle import uniform_bundle
from ltrr.artifacts.decision_record import block_of
from ltrr.artifacts.looks import facts_of
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.bandit.learning import list_vw_arguments, train_on_file
from ltrr.bandit.settings import BanditSettings
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.features import action_matrix
from ltrr.core.hashing import user_fold, user_key
from ltrr.core.planning import History, plan_values
from ltrr.core.queries import query_class, query_key
from ltrr.core.vw_text import decision_example
from ltrr.demo.worlds import WorldChoice, build_world
from ltrr.estimation.intervals import estimate_difference, estimate_ratio
from ltrr.estimation.moments import ClusteredSums, WeightedRewards
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.evaluation.reward_model import PlanRewardModel, fit_reward_model
from ltrr.evaluation.scoring import N, score_decisions, term, term_names
from ltrr.evaluation.training_sums import TrainingSums
from ltrr.publishing.exploration_price import price_exploration
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import estimate_traffic
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.policy import Policy
from ltrr.simulation.day import serve_day
from ltrr.simulation.policy_value import choices_of, true_policy_value
from ltrr.simulation.truth import true_recall
from ltrr.simulation.world import World

DAY = date(2026, 3, 2)
SHORTLISTS = (8, 20, 40)
KINDS = (
    *({"kind": "softmax", "temperature": temperature} for temperature in (0.05, 0.1, 0.2)),
    *({"kind": "squarecb", "gamma": gamma} for gamma in (100.0, 300.0, 1000.0)),
    *({"kind": "epsilon", "epsilon": epsilon} for epsilon in (0.1, 0.3)),
)

LoggedRows = list[tuple[LoggedDecision, float, int]]
"""(decision, found reward, user fold)."""


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    parser.add_argument("world", choices=("music", "msrd"))
    parser.add_argument("--data", type=Path, help=DATA_HELP)
    parser.add_argument("--impressions", type=int, default=20_000, help="Number of searches of the day")
    parser.add_argument("--held-out-percent", type=int, default=30, help="Share of users that judge the bandit")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "ltrr")
    return parser


def main() -> None:
    """Print one line for each combination of shortlist size and kind of exploration."""
    options = build_parser().parse_args()
    world = build_world(WorldChoice(options.world, options.data), options.cache)
    settings = world.policy_settings()
    uniform = Policy.of(*uniform_bundle(settings, DAY))
    logged = serve(world, uniform, options.impressions)
    training = [row for row in logged if row[2] >= options.held_out_percent]
    held_out = [row[0] for row in logged if row[2] < options.held_out_percent]
    q_hat = fit_reward_model(
        settings.space, TrainingSums.of(settings.space, [row[0] for row in training]).products.tolist(), ridge=10.0
    )
    unseen = np.flatnonzero(world.unseen & (world.relevant_counts > 0))[:800]
    recalls = true_recall(world, uniform, unseen)
    base = true_policy_value(world, uniform).page_reward
    print(f"{options.world}: {len(held_out)} held-out impressions; unseen queries: uniform {recalls.mean():.3f}")
    print(
        "shortlist            kind  recall: greedy served  true gain  judged gain     z      R    ESS      s  needed"
        "    lost  sample: greedy  any  width: greedy  any"
    )
    for size in SHORTLISTS:
        model = train(settings, training, size)
        for kind in KINDS:
            exploration = ExplorationSettings(floor_share=0.1, shortlist_size=size, **kind)
            chooser = PlanChooser(settings.space, exploration, model, settings.observe)
            policies = [
                JudgedPolicy("champion", "uniform", settings.space),
                JudgedPolicy("challenger", "trained", settings.space, chooser=chooser),
            ]
            policy = Policy.of(Manifest(replace(settings, exploration=exploration), DAY), {"bandit.vw": model})
            greedy, served = choices_of(world, policy, unseen, None)
            recall = recalls[np.arange(len(unseen)), greedy].mean(), (served * recalls).sum(axis=1).mean()
            gain = true_policy_value(world, policy).page_reward / base - 1.0
            name, amount = kind.values()
            print(f"{size:9d} {name:>10} {amount:<5g} {recall[0]:14.3f} {recall[1]:6.3f} {gain:10.1%}", end="")
            print(judge_bandit(held_out, policies, q_hat, gain, options.held_out_percent / 100.0), flush=True)


def serve(world: World, policy: Policy, impressions: int) -> LoggedRows:
    """Serve one day of the world; return its decisions, read from the log files without Spark."""
    space, examination = policy.space, world.users.examination()
    with tempfile.TemporaryDirectory() as folder:
        serve_day(world, policy, DAY, impressions=impressions, seed=1, logs_root=Path(folder))
        clicked: dict[str, set[str]] = defaultdict(set)
        for event in read_lines(folder, "events"):
            clicked[event["impression_id"]].add(event["entity_id"])
        logged: LoggedRows = []
        for record in read_lines(folder, "decisions"):
            decision = record["decisions"][0]
            rates = decision["history"]
            history = History(np.array(rates["hit_rate"]), np.array(rates["marginal_hit_rate"]))
            page = [row["entity_id"] for row in record["slate"]][: len(examination)]
            clicks = np.array([entity_id in clicked[record["impression_id"]] for entity_id in page], dtype=float)
            key = user_key("benchmark", record["user"])
            look = [block_of(entry) for entry in record["looks"]]
            logged_decision = LoggedDecision(
                key,
                query_key(record["query_text"]),
                query_class(query_key(record["query_text"])),
                space.index(decision["action_taken"]),
                decision["propensity"],
                np.ones(len(space), dtype=bool),
                np.array(decision["shared"]),
                look,
                facts_of(record["looks"]),
                plan_values(space, look, history),
                float(clicks.sum()),
                query_mean=0.0,
            )
            found = float((clicks / np.maximum(examination[: len(clicks)], 0.05)).sum())
            logged.append((logged_decision, found, user_fold(key)))
    return logged


def read_lines(folder: str, kind: str) -> Iterator[dict[str, Any]]:
    """Objects of all log files of one kind."""
    for file in sorted(Path(folder).rglob(f"{kind}*.ndjson.gz")):
        yield from map(json.loads, gzip.decompress(file.read_bytes()).splitlines())


def train(settings: PolicySettings, training: LoggedRows, size: int) -> bytes:
    """Train a bandit over shortlists of the given size; return its model."""
    space = settings.space
    with tempfile.TemporaryDirectory() as folder:
        examples = Path(folder, "examples.vw")
        with examples.open("w", encoding="utf-8") as file:
            for decision, found, _ in training:
                actions = shortlist_of(decision.values, size)
                if decision.plan not in actions:
                    actions = np.append(actions, decision.plan)
                place = int(np.flatnonzero(actions == decision.plan)[0])
                label = (place, found - float(decision.values.max()), decision.propensity)
                matrix = action_matrix(space, decision.values, actions)
                file.write(decision_example(space, decision.shared, actions, matrix, label=label) + "\n\n")
        return train_on_file(examples, list_vw_arguments(BanditSettings()))[0]


def judge_bandit(
    held_out: list[LoggedDecision], policies: list[JudgedPolicy], q_hat: PlanRewardModel, true_gain: float, share: float
) -> str:
    """Columns of a line: the judged gain, the impressions needed, and the price of exploration.

    The impressions are those that the gate needs to detect the true gain.
    """
    names = term_names([policy.name for policy in policies])
    parts = [score_decisions(held_out[at : at + 2_048], policies, q_hat) for at in range(0, len(held_out), 2_048)]
    rows = np.vstack([np.column_stack([part.column(name).to_numpy() for name in names]) for part in parts])
    users = np.unique([decision.user_key for decision in held_out], return_inverse=True)[1]
    by_user = np.zeros((users.max() + 1, len(names)), dtype=np.int64)
    np.add.at(by_user, users, rows)
    sums = ClusteredSums.of_clusters(names, by_user)
    difference = estimate_difference(sums, ("challenger_dr", N), ("champion_dr", N))
    champion = estimate_ratio(sums, "champion_dr", N).value
    totals = dict(zip(sums.names, sums.totals, strict=True))
    weighted = WeightedRewards(
        len(held_out), *(totals[term("challenger", name)] for name in ("w", "w_squared", "wr", "wr_squared"))
    )
    price = price_exploration(sums, "challenger", len(policies[0].space), 1, share, GateSettings())
    assert price is not None
    # Times the nights of a life: the impressions that a verdict needs in total.
    gate = GateSettings(effect=max(true_gain, 1e-3))
    traffic = estimate_traffic(difference, champion, len(held_out), 1, gate.share, gate)
    return (
        f" {difference.value / champion:12.1%} {difference.value / difference.standard_error:5.2f} "
        f"{weighted.evidence():6.0f} {weighted.effective_sample_size():6.0f} {traffic.spread:6.2f} "
        f"{traffic.needed_a_night * gate.life_nights:7,.0f} {price.value_lost_share:7.1%} {price.greedy_sample:15.3f} "
        f"{price.any_sample:4.3f} {price.greedy_width:14.2f} {price.any_width:4.2f}"
    )


if __name__ == "__main__":
    main()
