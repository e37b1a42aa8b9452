"""Influence of one user on learning and judging, with and without the limits of `users` settings.

    python benchmarks/heavy_users.py [--json OUT] [--impressions 15000] [--users 6000]

The benchmark has three measures:

- the error of the examination curve under every kind of robot, compared with the curve of the
  honest searches alone;
- the evidence R of a verdict where one user has a fifth of the rewards, and whether the verdict
  names this user;
- the share of honest users who are excluded where a few of them search very often.

All measures call the functions that the jobs call. The exit code is 1 if a bar is missed. The run
takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.command_line import add_outputs, new_parser, report_bars, write_json
from benchmarks.user_limits.attacks import Robot, click_everything, click_position, click_random_position
from benchmarks.user_limits.measures import (
    count_user_impressions,
    measure_curve,
    measure_evidence,
    measure_false_exclusions,
)
from ltrr.spark.session import SparkSettings, build_session

CURVE_BAR, EVIDENCE_BAR, FALSE_BAR = 0.01, 100.0, 1e-4


def detected_attacks(impressions: int) -> dict[str, tuple[Robot, ...]]:
    """Name -> robots that the limits should detect.

    Their traffic is a tenth of the honest `impressions`, unless the name gives another number.
    """
    tenth = impressions // 10
    return {
        "no robot": (),
        "one robot clicks position 5": (Robot(tenth, click_position(5)),),
        "the same, as many impressions as everybody": (Robot(impressions, click_position(5)),),
        "ten robots click position 5": (Robot(tenth // 10, click_position(5), robots=10),),
        "one robot, one query, position 5": (Robot(tenth, click_position(5), one_query=True),),
        "one robot clicks position 1": (Robot(tenth, click_position(1)),),
        "one robot clicks everything": (Robot(tenth, click_everything),),
        "one robot clicks everything on 30 pages": (Robot(30, click_everything),),
        "one robot clicks anywhere": (Robot(tenth, click_random_position),),
        "20 robots click position 5, 75 impressions each": (Robot(tenth // 20, click_position(5), robots=20),),
    }


def undetected_attacks() -> dict[str, tuple[Robot, ...]]:
    """Name -> robots below every limit; they are measured without a bar."""
    return {
        "one robot, 14 impressions, position 5": (Robot(14, click_position(5)),),
        "one robot, 90 impressions, clicks anywhere on half": (
            Robot(45, click_random_position),
            Robot(45, click_position(1)),
        ),
        "100 robots, 14 impressions each, position 5": (Robot(14, click_position(5), robots=100),),
    }


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser)
    parser.add_argument("--impressions", type=int, default=15_000, help="Number of honest impressions")
    parser.add_argument("--users", type=int, default=6_000, help="Number of honest users")
    return parser


def main() -> int:
    """Print every measure and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    spark = build_session("heavy_users", SparkSettings(master="local[2]"))
    bars: dict[str, bool] = {}
    found = {
        **measure_curves(spark, options.impressions, options.users, bars),
        "evidence": measure_verdicts(spark, bars),
        "false_exclusions": measure_exclusions(spark, bars),
    }
    write_json(options.json, {**found, "missed": [name for name, is_met in bars.items() if not is_met]})
    spark.stop()
    return report_bars(bars)


def measure_curves(spark: SparkSession, impressions: int, users: int, bars: dict[str, bool]) -> dict[str, Any]:
    """Error of the examination curve under each attack; attacks below every limit have no bar."""
    found: dict[str, Any] = {"curve": {}, "undetected": {}}
    _print(f"Examination with {impressions} honest impressions: largest error of the curve, unlimited -> limited")
    for name, robots in detected_attacks(impressions).items():
        error = measure_curve(spark, robots, impressions, users)
        found["curve"][name] = asdict(error)
        bars[f"{name}: at most {CURVE_BAR:.0%}"] = error.limited <= CURVE_BAR
        _print(f"  {name}: {error.unlimited:.1%} -> {error.limited:.2%}, excluded {error.excluded}")
    _print("Below every limit, no bar:")
    for name, robots in undetected_attacks().items():
        error = measure_curve(spark, robots, impressions, users)
        found["undetected"][name] = asdict(error)
        _print(
            f"  {name}: {error.unlimited:.1%} -> {error.limited:.2%}, excluded {error.excluded}, capped {error.capped}"
        )
    return found


def measure_verdicts(spark: SparkSession, bars: dict[str, bool]) -> dict[str, Any]:
    """Evidence R of a verdict where one user has a fifth of the rewards."""
    found = {}
    _print("R of a verdict after 14 nights, one user with a fifth of the rewards: honest alone, unlimited, limited")
    for name, impressions, robot, rewards in (
        ("6000 impressions a night", 6_000, 750, 1.0),
        ("500 impressions a night", 500, 63, 1.0),
        ("200 impressions a night", 200, 25, 1.0),
        ("6000 impressions a night, three rewards on each of its pages", 6_000, 250, 3.0),
    ):
        evidence = measure_evidence(spark, 14, impressions, robot, rewards)
        found[name] = asdict(evidence)
        bars[f"{name}: R at least {EVIDENCE_BAR:g} and the user named"] = (
            evidence.limited >= EVIDENCE_BAR and "user robot" in evidence.named
        )
        _print(f"  {name}: {evidence.honest:.0f}, {evidence.unlimited:.0f}, {evidence.limited:.0f}; {evidence.named}")
    return found


def measure_exclusions(spark: SparkSession, bars: dict[str, bool]) -> dict[str, Any]:
    """Number of honest users whom the limits exclude."""
    found = {}
    _print("Honest users excluded on a day")
    for name, counts in count_user_impressions().items():
        excluded, users = measure_false_exclusions(spark, counts, clicks_per_impression=0.6)
        found[name] = {"excluded": excluded, "users": users, "most": int(counts.max())}
        bars[f"{name}: at most {FALSE_BAR:g} of the users"] = excluded <= FALSE_BAR * users
        _print(f"  {name}: {excluded} of {users}; the most active searched {counts.max():.0f} times")
    return found


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
