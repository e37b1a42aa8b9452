"""Tables and bars of the rows of the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.plan_logs.study import REFERENCE, Row
from ltrr.estimation.estimators import DRAW_ESTIMATORS

GATE = {"draw": "union_dr", "plan": "dr"}
"""The gate's estimator, by the kind of log."""

DIAGNOSTICS = ("pdis", "cascade_dr")
"""Estimators that are never reported as the best.

Their errors are measured, not exact. Where a few rare draws cause the variance, the logs lack some
of these draws.
"""

MAX_RATIO = 0.2
MAX_ERRORS = 4.0
"""Maximum bias in Monte-Carlo errors; 6 in 100,000 normal unbiased figures exceed it."""

_CELL = ("world", "decide", "differs", "reward")


def is_valid(row: Row) -> bool:
    """Whether the estimator is valid for the reward of the row."""
    one = DRAW_ESTIMATORS.get(row["estimator"])
    return one is None or not (one.found_only and row["reward"] == "page")


def print_rows(rows: Sequence[Row]) -> None:
    """Print one line for each row."""
    for row in rows:
        where = f"{row['world']:6}{row['decide']:5}{row['log']:11}{row['differs']:5}{row['n']:>7,} {row['reward']:6}"
        bias = f"truth {row['truth']:.4f} bias {row['bias']:+8.2%} +- {row['bias_error']:.2%}"
        rmse = f"rmse {row['rmse']:8.3f} exact {row['exact_rmse']:8.3f}"
        ratio = f"ratio {row['ratio']:.3f} ({row['ratio_measured']:.3f} measured)"
        print(
            f"{where}{row['estimator']:14}{bias}  {rmse}  {ratio}  covers {row['covers']:.3f}  R {row['evidence']:.1f}"
        )


def bars_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Bar -> cells that miss it."""
    bars: dict[str, list[str]] = {}
    for reward in ("page", "found"):
        bar = f"{reward}_reward, all draws differ: best RMSE at most {MAX_RATIO} of sequence_ips"
        bars[bar] = [
            f"{name}: {best['estimator']} has {best['ratio']:.3f}"
            for name, best in best_of(rows)
            if best["reward"] == reward and not best["ratio"] <= MAX_RATIO
        ]
    judged = [row for row in rows if row["reward"] == "page" and row["estimator"] == GATE[row["decide"]]]
    alarm = 1.0 - (1.0 - 6.33e-5) ** len(judged)
    bar = (
        f"page_reward: {' and '.join(GATE.values())} unbiased within {MAX_ERRORS:g} Monte-Carlo errors in "
        f"{len(judged)} cells (false alarm {alarm:.2%})"
    )
    bars[bar] = [
        f"{_label(row)}: bias {row['bias']:+.2%} +- {row['bias_error']:.2%}"
        for row in judged
        if not abs(row["bias"]) <= MAX_ERRORS * row["bias_error"]
    ]
    return bars


def best_of(rows: Sequence[Row], *, with_click_model: bool = True) -> Iterator[tuple[str, Row]]:
    """Valid estimator of the least RMSE, for each log and reward where all draws differ."""
    cells: dict[str, list[Row]] = {}
    for row in rows:
        if (
            row["decide"] == "draw"
            and row["differs"] == "all"
            and is_valid(row)
            and row["estimator"] not in DIAGNOSTICS
        ):
            assumes = DRAW_ESTIMATORS[row["estimator"]].page_only
            if with_click_model or not assumes:
                cells.setdefault(_label(row), []).append(row)
    for name, members in cells.items():
        yield name, min(members, key=lambda row: row["ratio"])


def best_rows(rows: Sequence[Row]) -> list[str]:
    """Lines of the table of the best estimators, one for each log and reward.

    RMSE is relative to the RMSE of sequence_ips. All draws differ.
    """
    without = dict(best_of(rows, with_click_model=False))
    return [
        f"| `{best['world']}` | {best['log']} | {best['n']:,} | {best['reward']}_reward | `{best['estimator']}` "
        f"{best['ratio']:.3f} | `{without[name]['estimator']}` {without[name]['ratio']:.3f} | "
        f"{_gate_row(rows, best)['ratio']:.3f} | {_gate_row(rows, best)['perfect_ratio']:.3f} |"
        for name, best in best_of(rows)
    ]


def _gate_row(rows: Sequence[Row], best: Row) -> Row:
    """Row of the gate's estimator on the same logs."""
    return next(row for row in rows if row["estimator"] == GATE["draw"] and _label(row) == _label(best))


def markdown(rows: Sequence[Row]) -> str:
    """Table of the best estimators, then a table for each world, way to decide, target and reward.

    The columns are logs.
    """
    lines = [
        "| world | log | n | reward | best | best without a click model | `union_dr` | with a perfect q |",
        "|---|---|---|---|---|---|---|---|",
        *best_rows(rows),
    ]
    for group in dict.fromkeys(tuple(row[name] for name in _CELL) for row in rows):
        members = [row for row in rows if tuple(row[name] for name in _CELL) == group]
        world, decide, differs, reward = group
        logs = list(dict.fromkeys((row["log"], row["n"]) for row in members))
        truth = members[0]["truth"]
        judged = "all draws differ" if differs == "all" else "the last draw differs"
        title = f"`decide: {decide}`" + (f", {judged}" if decide == "draw" else "")
        lines += [f"\n`{world}`, {title}, {reward}_reward (true value {truth:.3f} on the {logs[0][0]} logs)\n"]
        lines.append("| estimator | " + " | ".join(f"{log}, n {n:,}" for log, n in logs) + " |")
        lines.append("|---|" + "---|" * len(logs))
        for name in dict.fromkeys(row["estimator"] for row in members):
            found = {(row["log"], row["n"]): row for row in members if row["estimator"] == name}
            mark = "" if all(is_valid(row) for row in found.values()) else " (not valid here)"
            lines.append(f"| `{name}`{mark} | " + " | ".join(_cell(found[log]) for log in logs) + " |")
    return "\n".join(lines).strip() + "\n"


def _cell(row: Row) -> str:
    ratio = f"{row['ratio']:.3f}" if row["estimator"] == REFERENCE[row["decide"]] else f"**{row['ratio']:.3f}**"
    bias = f"{row['bias']:+.1%} ± {row['bias_error']:.1%}"
    return f"{bias}; {row['rmse']:.3f}; {ratio}; {row['covers']:.2f}; {row['evidence']:.0f}"


def _label(row: Row) -> str:
    return f"{row['world']}, decide: {row['decide']}, {row['log']}, {row['differs']}, n {row['n']:,}, {row['reward']}"
