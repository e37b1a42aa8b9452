"""What one user can do to what is learned and judged: robots with and without the limits of `users`.

    python benchmarks/heavy_users.py [--json OUT] [--impressions 15000] [--users 6000]

Three measures: the examination curve, compared with that of the honest searches alone, under every kind of robot; the
evidence R of a verdict where one user holds a fifth of the rewards, and whether the user is named; the share of honest
users who are excluded, where few search very much. Everything runs through the functions that the jobs call. Exits 1
where a bar does not hold; about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.user_limits.attacks import Robot, anywhere, at_position, everywhere
from benchmarks.user_limits.measures import honest_counts, measure_curve, measure_evidence, measure_false_exclusions
from ltrr.spark.session import SparkSettings, build_session

CURVE_BAR, EVIDENCE_BAR, FALSE_BAR = 0.01, 100.0, 1e-4


def attacks(impressions: int) -> dict[str, tuple[Robot, ...]]:
    """Robots at a tenth of the traffic of `impressions` honest searches, unless the name says otherwise."""
    tenth = impressions // 10
    return {
        "no robot": (),
        "one robot clicks position 5": (Robot(tenth, at_position(5)),),
        "the same, as many impressions as everybody": (Robot(impressions, at_position(5)),),
        "ten robots click position 5": (Robot(tenth // 10, at_position(5), robots=10),),
        "one robot, one query, position 5": (Robot(tenth, at_position(5), one_query=True),),
        "one robot clicks position 1": (Robot(tenth, at_position(1)),),
        "one robot clicks everything": (Robot(tenth, everywhere),),
        "one robot clicks everything on 30 pages": (Robot(30, everywhere),),
        "one robot clicks anywhere": (Robot(tenth, anywhere),),
        "20 robots click position 5, 75 impressions each": (Robot(tenth // 20, at_position(5), robots=20),),
    }


def undetected() -> dict[str, tuple[Robot, ...]]:
    """Robots below every limit: what remains possible, without a bar."""
    return {
        "one robot, 14 impressions, position 5": (Robot(14, at_position(5)),),
        "one robot, 90 impressions, clicks anywhere on half": (Robot(45, anywhere), Robot(45, at_position(1))),
        "100 robots, 14 impressions each, position 5": (Robot(14, at_position(5), robots=100),),
    }


def main() -> int:
    """Print every measure and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--impressions", type=int, default=15_000)
    parser.add_argument("--users", type=int, default=6_000)
    told = parser.parse_args()
    spark = build_session("heavy_users", SparkSettings(master="local[2]"))
    found: dict[str, Any] = {"curve": {}, "undetected": {}, "evidence": {}, "false_exclusions": {}}
    missed: list[str] = []

    _say(f"Examination with {told.impressions} honest impressions: largest error of the curve, unlimited -> limited")
    for name, robots in attacks(told.impressions).items():
        error = measure_curve(spark, robots, told.impressions, told.users)
        found["curve"][name] = asdict(error)
        _note(missed, name, f"at most {CURVE_BAR:.0%}", is_held=error.limited <= CURVE_BAR)
        _say(f"  {name}: {error.unlimited:.1%} -> {error.limited:.2%}, excluded {error.excluded}")
    _say("Below every limit, no bar:")
    for name, robots in undetected().items():
        error = measure_curve(spark, robots, told.impressions, told.users)
        found["undetected"][name] = asdict(error)
        _say(
            f"  {name}: {error.unlimited:.1%} -> {error.limited:.2%}, excluded {error.excluded}, capped {error.capped}"
        )

    _say("R of a verdict after 14 nights, one user with a fifth of the rewards: honest alone, unlimited, limited")
    for name, impressions, robot, rewards in (
        ("6000 impressions a night", 6_000, 750, 1.0),
        ("500 impressions a night", 500, 63, 1.0),
        ("200 impressions a night", 200, 25, 1.0),
        ("6000 impressions a night, three rewards on each of its pages", 6_000, 250, 3.0),
    ):
        evidence = measure_evidence(spark, 14, impressions, robot, rewards)
        found["evidence"][name] = asdict(evidence)
        is_held = evidence.limited >= EVIDENCE_BAR and "user robot" in evidence.named
        _note(missed, name, f"R at least {EVIDENCE_BAR:g} and the user named", is_held=is_held)
        _say(f"  {name}: {evidence.honest:.0f}, {evidence.unlimited:.0f}, {evidence.limited:.0f}; {evidence.named}")

    _say("Honest users excluded on a day")
    for name, counts in honest_counts().items():
        excluded, users = measure_false_exclusions(spark, counts, clicks_per_impression=0.6)
        found["false_exclusions"][name] = {"excluded": excluded, "users": users, "most": int(counts.max())}
        _note(missed, name, f"at most {FALSE_BAR:g} of the users", is_held=excluded <= FALSE_BAR * users)
        _say(f"  {name}: {excluded} of {users}; the most active searched {counts.max():.0f} times")

    for line in missed:
        _say(f"NOT HELD: {line}")
    if told.json:
        told.json.write_text(json.dumps({**found, "missed": missed}, indent=1) + "\n", encoding="utf-8")
    spark.stop()
    return 1 if missed else 0


def _note(missed: list[str], name: str, bar: str, *, is_held: bool) -> None:
    if not is_held:
        missed.append(f"{name}: {bar}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
