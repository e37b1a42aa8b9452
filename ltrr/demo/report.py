"""The summary of a demo, at most 80 columns wide: lines per night, tables, and commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ltrr.demo.durations import duration_text
from ltrr.demo.loop import NightReport
from ltrr.publishing.trials import Challenger
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, STATIC_WITHOUT_MEMORY

# Narrow spaces and no frame, so that six columns of figures fit.
_STYLE: dict[str, Any] = {
    "title_justify": "left",
    "title_style": "bold",
    "box": box.SIMPLE_HEAD,
    "padding": (0, 0, 0, 1),
    "pad_edge": False,
    "show_edge": False,
}

Rows = Sequence[Mapping[str, Any]]


def night_lines(report: NightReport, number: int, nights: int) -> list[str]:
    """Heading of a night, and one line each for service, learning and decision."""
    longest = max(report.job_seconds, key=report.job_seconds.__getitem__, default="")
    slowest = f", longest {longest} {duration_text(report.job_seconds[longest])}" if longest else ""
    worth = f"true recall {report.true_recall:.3f}, page reward {report.true_page_reward:.3f}"
    return [
        f"night {number} of {nights}, {report.day}",
        f"  served   {report.impressions:,} searches, {report.clicks:,} clicks; {worth}",
        f"  learned  {len(report.job_seconds)} jobs in {duration_text(report.night_seconds)}{slowest}",
        f"  decided  {_released(report)}; {_challenger_text(report.challenger)}",
    ]


def _released(report: NightReport) -> str:
    """Actions of a night and the version that serves the next day."""
    actions = ", ".join(release["action"] for release in report.releases) or "nothing"
    return f"{actions} -> {report.published_version}"


def _challenger_text(challenger: Challenger | None) -> str:
    if challenger is None:
        return "no challenger"
    if not challenger.is_judged:
        return f"challenger: {challenger.outcome}"
    return f"challenger: night {challenger.night}" if challenger.night else "new challenger"


def nights_table(reports: Sequence[NightReport]) -> Table:
    """Table of the true values of each day's policy, and of the decision of its night."""
    table = Table(title="Nights: true values of what served, and the decision of the night", **_STYLE)
    table.add_column("date")
    for name in ("searches", "recall", "reward"):
        table.add_column(name, justify="right")
    table.add_column("decided")
    for report in reports:
        table.add_row(
            str(report.day),
            f"{report.impressions:,}",
            f"{report.true_recall:.3f}",
            f"{report.true_page_reward:.3f}",
            _released(report),
        )
    return table


def regret_rows(reports: Sequence[NightReport]) -> list[dict[str, Any]]:
    """Regret of each day's searches and of all days so far, in page_reward.

    Regret to the best static plan may be negative.

    Returns:
        One dict per day: date, searches, served, oracle and static (expected page_reward per
        search), static_plan, regret_oracle and regret_static (of the day), cumulative_oracle and
        cumulative_static.
    """
    rows: list[dict[str, Any]] = []
    oracle_so_far, static_so_far = 0.0, 0.0
    for report in reports:
        against_oracle, against_static = report.regret.over_a_day(report.impressions)
        oracle_so_far, static_so_far = oracle_so_far + against_oracle, static_so_far + against_static
        rows.append(
            {
                "date": report.day.isoformat(),
                "searches": report.impressions,
                **vars(report.regret),
                "regret_oracle": against_oracle,
                "regret_static": against_static,
                "cumulative_oracle": oracle_so_far,
                "cumulative_static": static_so_far,
            }
        )
    return rows


REGRET_CAPTION = (
    "Page reward per search: as served, with the best plan of each query (oracle), and with the one plan that is best "
    "for all (static). Regret to each: of the day, and of all days so far."
)


def regret_table(rows: Rows) -> Table:
    """Table of the regret per day; negative: the day earned more than the best static plan."""
    table = Table(title="Regret of the served searches in true page reward; below zero: a gain", **_STYLE)
    table.add_column("date")
    for name in ("served", "oracle", "static", "to oracle", "so far", "to static", "so far "):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["date"],
            *(f"{row[kind]:.3f}" for kind in ("served", "oracle", "static")),
            *(f"{row[f'{kind}_oracle']:,.0f}" for kind in ("regret", "cumulative")),
            *(f"{row[f'{kind}_static']:+,.0f}" for kind in ("regret", "cumulative")),
        )
    return table


CHALLENGER_GREEDY = "challenger, greedy"
CHALLENGER = "challenger, as served"


def with_challenger(truth: Rows, of_challenger: Rows) -> list[Mapping[str, Any]]:
    """Add two rows per slice to the true values: those of the current or refused challenger."""
    names = {LEARNED_GREEDY: CHALLENGER_GREEDY, LEARNED: CHALLENGER}
    challenger_rows = {
        (row["slice"], row["policy"]): {**row, "policy": names[row["policy"]]}
        for row in of_challenger
        if row["policy"] in names
    }
    rows: list[Mapping[str, Any]] = []
    for row in truth:
        rows.append(row)
        if row["policy"] == LEARNED:
            rows += [challenger_rows[row["slice"], name] for name in names]
    return rows


TRUTH_CAPTION = (
    "True recall (share of the wanted entities among the candidates) by kind of query: never searched before (unseen), "
    "most frequent (head), all others (tail). The difference is from the better of the two static plans on unseen "
    "queries (the row with +0.000), with its 95 % interval. Reward is the true page reward on unseen queries."
)
_SHORT_NAMES = {STATIC_WITHOUT_MEMORY: "best static, no memory"}


def values_table(rows: Rows) -> Table:
    """True recall per policy and slice, and the difference from the best static plan if unseen."""
    table = Table(title="True values of every policy", **_STYLE)
    table.add_column("policy", no_wrap=True)
    for name in ("unseen", "over best static", "head", "tail", "reward"):
        table.add_column(name, justify="right", no_wrap=True)
    found = {(row["slice"], row["policy"]): row for row in rows}
    for policy in dict.fromkeys(row["policy"] for row in rows):
        unseen = found.get(("unseen", policy))
        table.add_row(
            _SHORT_NAMES.get(policy, policy),
            _figure(unseen, "recall"),
            _difference(unseen),
            _figure(found.get(("head", policy)), "recall"),
            _figure(found.get(("tail", policy)), "recall"),
            _figure(unseen, "page_reward"),
            style="bold" if policy in (LEARNED, LEARNED_GREEDY) else None,
        )
    return table


def _figure(row: Mapping[str, Any] | None, name: str) -> str:
    return "" if row is None else f"{row[name]:.3f}"


def _difference(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['over_static']:+.3f} [{row['over_static_low']:+.3f}, {row['over_static_high']:+.3f}]"


def order_table(rows: Rows) -> Table:
    """True nDCG@10 of the ranker and of reciprocal rank fusion on the same unions."""
    table = Table(title="True nDCG@10 of the page: the served order and rank fusion", **_STYLE)
    for name in ("slice", "queries", "served", "fusion", "difference", "95 %"):
        table.add_column(name, justify="left" if name == "slice" else "right")
    for row in rows:
        table.add_row(
            row["slice"],
            f"{row['queries']:,}",
            f"{row['learned']:.3f}",
            f"{row['fusion']:.3f}",
            f"{row['over_fusion']:+.3f}",
            f"[{row['over_fusion_low']:+.3f}, {row['over_fusion_high']:+.3f}]",
        )
    return table


def trial_table(rows: Rows) -> Table:
    """Plans without learning and without hybrid search, next to the figures of an earlier trial."""
    table = Table(title="The same films without hybrid search and memory, and an earlier trial", **_STYLE)
    table.add_column("policy")
    for name in ("slice", "recall", "standard error", "trial", "difference"):
        table.add_column(name, justify="left" if name == "slice" else "right")
    for row in rows:
        trial = row["trial"]
        table.add_row(
            f"{row['policy']}{' (' + row['plan'] + ')' if row['plan'] else ''}",
            row["slice"],
            f"{row['recall']:.3f}",
            f"{row['standard_error']:.3f}",
            "" if trial is None else f"{trial:.3f}",
            "" if trial is None else f"{row['recall'] - trial:+.3f}",
        )
    return table


def result_commands(home: Path, policy_name: str, day: str) -> list[tuple[str, str]]:
    """Descriptions of the results of a demo, each with the command that shows it."""
    at = f"--home {home}"
    # Full paths of programs: those of the environment need not be on PATH.
    programs = Path(sys.executable).parent
    folder = programs.relative_to(Path.cwd()) if programs.is_relative_to(Path.cwd()) else programs
    return [
        ("why each night decided so", f"{folder}/ltrr tables show releases {at}"),
        ("current trials and their challengers", f"{folder}/ltrr policies challengers {at}"),
        ("estimates behind the decisions", f"{folder}/ltrr tables show ope_estimates {at}"),
        (f"tables in {home / 'tables'}", f"{folder}/ltrr tables list {at}"),
        (f"bundles in {home / 'policies' / policy_name}", f"{folder}/ltrr policies list {at}"),
        ("logged propensities, computed again", f"{folder}/ltrr policies replay --date {day} --sample 1000 {at}"),
        (
            "MLflow runs, then open http://127.0.0.1:5000/#/experiments/1/runs",
            f"{folder}/mlflow ui --backend-store-uri sqlite:///{home / 'mlflow.db'}",
        ),
    ]
