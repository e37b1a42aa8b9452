"""Rows as tables, and the bars that they must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.plan_logs.study import REFERENCE, Row
from ltrr.estimation.estimators import DRAW_ESTIMATORS

GATE = {"draw": "union_dr", "plan": "dr"}
"""The estimator that may decide, by how the log was made."""

DIAGNOSTICS = ("pdis", "cascade_dr")
"""Never the best: only measured, and where a few rare draws make the variance, the logs do not hold them all."""

MOST_RATIO = 0.2
MOST_ERRORS = 4.0
"""Monte-Carlo errors that a bias may reach: 6 in 100,000 unbiased figures go beyond, were they normal."""

_CELL = ("world", "decide", "differs", "reward")


def is_right(row: Row) -> bool:
    """Whether an estimator claims to be right on that reward."""
    one = DRAW_ESTIMATORS.get(row["estimator"])
    return one is None or not (one.found_only and row["reward"] == "page")


def print_rows(rows: Sequence[Row]) -> None:
    """One line a row."""
    for row in rows:
        where = f"{row['world']:6}{row['decide']:5}{row['log']:11}{row['differs']:5}{row['n']:>7,} {row['reward']:6}"
        bias = f"truth {row['truth']:.4f} bias {row['bias']:+8.2%} +- {row['bias_error']:.2%}"
        rmse = f"rmse {row['rmse']:8.3f} exact {row['exact_rmse']:8.3f}"
        ratio = f"ratio {row['ratio']:.3f} ({row['ratio_measured']:.3f} measured)"
        print(
            f"{where}{row['estimator']:14}{bias}  {rmse}  {ratio}  covers {row['covers']:.3f}  R {row['evidence']:.1f}"
        )


def bars_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Bar -> where it does not hold."""
    bars: dict[str, list[str]] = {}
    for reward in ("page", "found"):
        bar = f"{reward}_reward, all draws differ: best RMSE at most {MOST_RATIO} of sequence_ips"
        bars[bar] = [
            f"{name}: {best['estimator']} has {best['ratio']:.3f}"
            for name, best in best_of(rows)
            if best["reward"] == reward and not best["ratio"] <= MOST_RATIO
        ]
    judged = [row for row in rows if row["reward"] == "page" and row["estimator"] == GATE[row["decide"]]]
    alarm = 1.0 - (1.0 - 6.33e-5) ** len(judged)
    bar = (
        f"page_reward: {' and '.join(GATE.values())} unbiased within {MOST_ERRORS:g} Monte-Carlo errors in "
        f"{len(judged)} cells (false alarm {alarm:.2%})"
    )
    bars[bar] = [
        f"{_named(row)}: bias {row['bias']:+.2%} +- {row['bias_error']:.2%}"
        for row in judged
        if not abs(row["bias"]) <= MOST_ERRORS * row["bias_error"]
    ]
    return bars


def best_of(rows: Sequence[Row], *, with_click_model: bool = True) -> Iterator[tuple[str, Row]]:
    """The estimator of least RMSE, of those that are right, where all draws differ: one for each log and reward."""
    cells: dict[str, list[Row]] = {}
    for row in rows:
        if (
            row["decide"] == "draw"
            and row["differs"] == "all"
            and is_right(row)
            and row["estimator"] not in DIAGNOSTICS
        ):
            assumes = DRAW_ESTIMATORS[row["estimator"]].page_only
            if with_click_model or not assumes:
                cells.setdefault(_named(row), []).append(row)
    for name, members in cells.items():
        yield name, min(members, key=lambda row: row["ratio"])


def best_rows(rows: Sequence[Row]) -> list[str]:
    """Where all draws differ: the least RMSE as a share of that of sequence_ips, a line a log and reward."""
    without = dict(best_of(rows, with_click_model=False))
    return [
        f"| `{best['world']}` | {best['log']} | {best['n']:,} | {best['reward']}_reward | `{best['estimator']}` "
        f"{best['ratio']:.3f} | `{without[name]['estimator']}` {without[name]['ratio']:.3f} | "
        f"{_same(rows, best)['ratio']:.3f} | {_same(rows, best)['perfect_ratio']:.3f} |"
        for name, best in best_of(rows)
    ]


def _same(rows: Sequence[Row], like: Row) -> Row:
    """The gate's estimator on the same logs."""
    return next(row for row in rows if row["estimator"] == GATE["draw"] and _named(row) == _named(like))


def markdown(rows: Sequence[Row]) -> str:
    """The best of each log, then a table for each world, way of deciding, target and reward, with a column a log."""
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
            mark = "" if all(is_right(row) for row in found.values()) else " (not meant for it)"
            lines.append(f"| `{name}`{mark} | " + " | ".join(_cell(found[log]) for log in logs) + " |")
    return "\n".join(lines).strip() + "\n"


def _cell(row: Row) -> str:
    ratio = f"{row['ratio']:.3f}" if row["estimator"] == REFERENCE[row["decide"]] else f"**{row['ratio']:.3f}**"
    bias = f"{row['bias']:+.1%} ± {row['bias_error']:.1%}"
    return f"{bias}; {row['rmse']:.3f}; {ratio}; {row['covers']:.2f}; {row['evidence']:.0f}"


def _named(row: Row) -> str:
    return f"{row['world']}, decide: {row['decide']}, {row['log']}, {row['differs']}, n {row['n']:,}, {row['reward']}"
