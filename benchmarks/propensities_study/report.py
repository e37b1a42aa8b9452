"""Bars and tables of the propensity study."""

from __future__ import annotations

from math import sqrt
from typing import Any

from benchmarks.propensities_study.alarms import REDUCED_SHARE
from benchmarks.propensities_study.worlds import KINDS, ROWS, SKEWS
from ltrr.estimation.calibration import LEVEL


def check(replay: dict[str, Any], correct: list[Any], power: list[Any], trials: int) -> dict[str, bool]:
    """Bar -> whether it is met."""
    found = {row["rows"]: row["found"] for row in replay["samples"]}
    slack = 3.0 * sqrt(0.99 * 0.01 / trials)
    intact, wrong, whole = replay["honest"], replay["wrong"], replay["whole_checks"]
    bars = {
        f"a replay of all {intact['replayed']:,} correct rows raises no alarm (got {intact['unequal']})": (
            intact["replayed"] == replay["decisions"] and intact["unequal"] == 0
        ),
        f"a replay of all rows finds all {wrong['marked']} wrong ones (got {wrong['found_of_all']})": (
            wrong["found_of_all"] == wrong["marked"]
        ),
        f"a sample of 459 rows finds 1 % wrong by 2x with 99 % (got {found[459]:.2%} of {trials:,})": (
            found[459] >= 0.99 - slack
        ),
        f"the whole replay check finds them in such a sample ({whole['found']} of {whole['runs']})": (
            whole["found"] >= whole["runs"] - 1
        ),
    }
    for kind in KINDS:
        of_kind = [row for row in correct if row["kind"] == kind]
        logs, alarms = sum(row["logs"] for row in of_kind), sum(row["alarms"] for row in of_kind)
        worst = max(row["alarms"] / row["logs"] for row in of_kind)
        error = sqrt(LEVEL * (1.0 - LEVEL) / of_kind[0]["logs"])
        bars[f"{kind}: at most 1 % of {logs:,} correct logs raise an alarm (got {alarms / logs:.2%})"] = (
            alarms <= LEVEL * logs
        )
        bars[f"{kind}: at most 1 % in every cell, plus 3 Monte-Carlo errors (worst {worst:.2%})"] = (
            worst <= LEVEL + 3.0 * error
        )
    least = min(row["found"] for row in power)
    less = max(row["found_of_less"] for row in power)
    error = sqrt(0.98 * 0.02 / power[0]["logs"])
    bars[f"what a log reports that it would reveal is found with 98 % or more (least {least:.1%})"] = (
        least >= 0.98 - 3.0 * error
    )
    bars[
        f"{REDUCED_SHARE:.0%} of what a log reports that it would reveal is found with less than 95 % (most {less:.1%})"
    ] = less < 0.95
    return bars


def markdown(replay: dict[str, Any], correct: list[Any], power: list[Any], bars: dict[str, bool]) -> str:
    """The tables of the documentation."""
    blocks = [
        _replay_table(replay),
        _mean_weight_table(replay),
        _correct_table(correct),
        _power_table(power),
        _table(["requirement", "result"], [[bar, "met" if is_met else "**missed**"] for bar, is_met in bars.items()]),
    ]
    return "\n\n".join(blocks)


def _replay_table(replay: dict[str, Any]) -> str:
    return _table(
        ["rows replayed", "1 - .99^n", "found"],
        [[f"{row['rows']:,}", f"{row['by_formula']:.1%}", f"{row['found']:.1%}"] for row in replay["samples"]],
    )


def _mean_weight_table(replay: dict[str, Any]) -> str:
    rows = [
        [
            row["policy"],
            f"{row['rows']:,}",
            f"{row['effective_sample']:.1%}",
            *(f"{row[f'{kind}_beyond_{limit}']:.1%}" for limit in ("1.96", "4") for kind in ("found", "false")),
        ]
        for row in replay["mean_weight"]
    ]
    titles = ["judged policy", "rows", "effective sample", "found beyond 1.96", "false", "found beyond 4", "false"]
    return _table(titles, rows)


def _correct_table(correct: list[Any]) -> str:
    rows = [
        [
            skew,
            f"{rows:,}",
            *(_rate([row for row in correct if _matches(row, skew, rows, kind)], "alarms") for kind in KINDS),
            _rate([row for row in correct if _matches(row, skew, rows, KINDS[0])], "mean_weight_beyond_4"),
        ]
        for skew in SKEWS
        for rows in ROWS
    ]
    return _table(["propensities", "rows", *KINDS, "mean weight beyond 4 standard errors"], rows)


def _power_table(power: list[Any]) -> str:
    first = ["the log holds", "rows", "actions", "propensities", "sum", "corruption"]
    rows = [
        [
            row["kind"],
            f"{row['rows']:,}",
            str(row["actions"]),
            row["skew"],
            row["sum"],
            row["corruption"],
            f"{row['revealed']:.1%}",
            f"{row['found']:.1%}",
            f"{row['found_of_less']:.1%}",
        ]
        for row in power
    ]
    return _table([*first, "revealed", "found", f"{REDUCED_SHARE:.0%}"], rows)


def _matches(row: dict[str, Any], skew: str, rows: int, kind: str) -> bool:
    return (row["skew"], row["rows"], row["kind"]) == (skew, rows, kind)


def _rate(rows: list[Any], what: str) -> str:
    """Share of the logs of all rows, in %."""
    return f"{sum(row[what] for row in rows) / sum(row['logs'] for row in rows):.2%}"


def _table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
