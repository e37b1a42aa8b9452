"""Shadow mode through real nights: does what was learned from static pages beat them when served?

    python benchmarks/shadow_nights.py --world music --seed 1 --home FOLDER [--json OUT]
    python benchmarks/shadow_nights.py --world msrd --data DIR --seed 1 --home FOLDER [--json OUT]

A new home serves 40,000 searches in shadow mode in four nights. Then `ltrr policies ramp` begins
the canary that the report proposes, and further nights of the same size run until the gate has its
verdict. The world's true relevance says what the version is worth: expected page reward of its
pages and of the static ones, on the traffic and on queries never searched.

A run that was interrupted continues where it stopped: give the same home. The exit code is 1 if
the predicted range misses the true gain, or if a version was released that is not better than the
static page on queries never searched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import DATA_HELP, add_outputs, new_parser, report_bars, write_json
from ltrr.artifacts.bundle import read_manifest
from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.config import HOME_FILE, Settings, load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.loop import releases_of
from ltrr.demo.worlds import WorldChoice, build_world
from ltrr.pipelines.runner import run_nightly
from ltrr.pipelines.shadow_report import make_report
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.serving.policy import Policy
from ltrr.simulation.answers import answers_of, plan_blocks
from ltrr.simulation.day import rank_static, serve_day
from ltrr.simulation.policy_value import choices_of
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.truth import draw_plans, page_rewards, true_page_rewards
from ltrr.simulation.truth_table import equal_split
from ltrr.simulation.world import World
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session

FIRST = date(2026, 3, 2)
NIGHTS, MOST_NIGHTS = 4, 12
QUERIES, PLANS_DRAWN = 1_500, 8


def main() -> int:
    """Run the nights of one world and seed."""
    parser = new_parser(__doc__)
    parser.add_argument("--world", choices=("msrd", "music"), default="music")
    parser.add_argument("--data", type=Path, help=DATA_HELP)
    parser.add_argument("--seed", type=int, default=1, help="Seed of the users' behaviour")
    parser.add_argument("--searches", type=int, default=40_000, help="Number of searches in shadow mode")
    parser.add_argument("--home", type=Path, required=True, help="Folder of the home; kept")
    add_outputs(parser)
    options = parser.parse_args()
    os.environ.setdefault("LTRR_USER_KEY_SECRET", "a benchmark")
    world = build_world(WorldChoice(options.world, options.data, True), default_cache())
    settings = _open_home(options.home, world)
    found = _run(world, settings, options.searches // NIGHTS, options.seed)
    found = {"world": options.world, "seed": options.seed, "searches": options.searches, **found}
    print(json.dumps(found, indent=2))
    write_json(options.json, found)
    bars = {
        "the range holds the true gain": found["low"] <= found["true_gain"] <= found["high"],
        "not promoted, or better on unseen queries": not found["promoted"] or found["true_gain_unseen"] > 0,
    }
    return report_bars(bars, f"{options.world}, seed {options.seed}")


def _open_home(home: Path, world: World) -> Settings:
    if not (home / HOME_FILE).exists():
        write_demo_settings(home, world.policy_settings(), FIRST)
    settings = load_settings(home, None, ())
    publish_first_champion(settings.paths.policies, settings.policy, settings.first_date, shadow=True)
    return settings


def _run(world: World, settings: Settings, searches: int, seed: int) -> dict[str, Any]:
    """All nights; what is done is kept in `study.json` of the home."""
    state = settings.paths.home / "study.json"
    done: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {"nights": []}
    spark = build_session("shadow nights", settings.spark)
    store = open_policy(settings.paths.policies, settings.policy.name)
    for number in range(NIGHTS + MOST_NIGHTS):
        if number < len(done["nights"]):
            continue
        if number == NIGHTS and "report" not in done:
            shadow = current_pointer(store).version
            report = make_report(Warehouse(spark, settings.paths.tables), settings, shadow)
            done["report"] = report.to_json()
            state.write_text(json.dumps(done))
        if number == NIGHTS:
            _begin_canary(settings, done["report"])
            done["canary"] = _canary_version(settings)
        if "canary" in done and current_pointer(store).canary is None:
            break
        day = FIRST + timedelta(days=number)
        served = Policy.load(store.url)
        serve_day(world, served, day, impressions=searches, seed=seed, logs_root=Path(settings.paths.logs))
        runs = run_nightly(spark, settings, day)
        releases = releases_of(spark, settings, day)
        done["nights"].append({"day": day.isoformat(), "seconds": sum(r.seconds for r in runs), "releases": releases})
        state.write_text(json.dumps(done))
        print(done["nights"][-1], flush=True)
    return _figures(world, settings, done, current_pointer(store).version)


def _canary_version(settings: Settings) -> str:
    canary = current_pointer(open_policy(settings.paths.policies, settings.policy.name)).canary
    assert canary is not None
    return canary.version


def _begin_canary(settings: Settings, report: dict[str, Any]) -> None:
    """The command that an operator runs. A share is given only if the report proposes none."""
    store = open_policy(settings.paths.policies, settings.policy.name)
    if current_pointer(store).canary is not None:
        return
    share = [] if report["ramp"]["share"] is not None else ["--share", str(settings.shadow.largest_share)]
    command = ["policies", "ramp", "--home", str(settings.paths.home), "--publish", "--why", "the study", *share]
    ltrr = Path(sys.executable).with_name("ltrr")
    subprocess.run([str(ltrr), *command], check=True)


def _figures(world: World, settings: Settings, done: dict[str, Any], serving: str) -> dict[str, Any]:
    """Figures of a run, the true gain of the canary's version included."""
    policy = Policy.load(open_policy(settings.paths.policies, settings.policy.name).url, done["canary"])
    truth = {
        name: _true_gain(world, policy, weights)
        for name, weights in (("true_gain", world.traffic), ("true_gain_unseen", world.unseen))
    }
    gain = done["report"]["gains"]["all"]
    verdicts = [night["releases"] for night in done["nights"][NIGHTS:]]
    return {
        "predicted": gain["gain"],
        "low": gain["low"],
        "high": gain["high"],
        **truth,
        "share": done["report"]["ramp"]["share"],
        "nights_announced": done["report"]["ramp"]["nights_needed"],
        "canary_nights": len(verdicts),
        # All users are served by choices once the champion has left shadow mode.
        "promoted": not read_manifest(settings.paths.policies, settings.policy.name, serving).shadow,
        "serving": serving,
        "night_seconds": [round(night["seconds"]) for night in done["nights"]],
        "verdicts": verdicts,
    }


def _true_gain(world: World, policy: Policy, weights: Any) -> float:
    """Expected page reward of the version as served, relative to the static page."""
    drawn = draw_plans(weights[None, :] / weights.sum(), np.array([0]), QUERIES)[0]
    queries, counts = np.unique(drawn, return_counts=True)
    _, served = choices_of(world, policy, queries, None)
    plans = draw_plans(served, queries, PLANS_DRAWN)
    rewards = true_page_rewards(world, policy, queries, plans).mean(axis=1)
    static = policy.space.plans[equal_split(policy.space)[0]].tolist()
    pages = [
        (world.queries[query].query_text, plan_blocks(answers_of(world, policy, query), static))
        for query in queries.tolist()
    ]
    own = page_rewards(world, queries, rank_static(policy, pages, world))
    return float(counts @ rewards / (counts @ own) - 1.0)


if __name__ == "__main__":
    sys.exit(main())
