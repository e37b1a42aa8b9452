"""What a demo prints: a line a night, the table of true values, and where everything is."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ltrr.demo.loop import NightReport
from ltrr.publishing.trials import Challenger
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, ORACLE, STATIC, STATIC_WITHOUT_MEMORY, UNIFORM

_STYLE: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD}

Rows = Sequence[Mapping[str, Any]]


def night_lines(report: NightReport) -> RenderableType:
    """What a night did, in a few lines."""
    head = Text.assemble(
        (f"{report.day}  ", "bold"),
        f"{report.impressions:,} searches, {report.clicks:,} clicks, served by {report.served_version}: ",
        (f"true recall {report.true_recall:.3f}, true page reward {report.true_page_reward:.3f}", "bold"),
        f"  (day {report.day_seconds:.0f} s, night {report.night_seconds:.0f} s)",
    )
    told = [Text(f"    {release['action']} {release['version']}: {release['why']}") for release in report.releases]
    return Group(head, *told)


def nights_table(reports: Sequence[NightReport]) -> Table:
    """One row a night."""
    table = Table(title="Nights", **_STYLE)
    for name, justify in (("date", "left"), ("searches", "right"), ("served by", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("true recall", "true page reward"):
        table.add_column(name, justify="right")
    table.add_column("released")
    for report in reports:
        done = ", ".join(release["action"] for release in report.releases) or "nothing"
        table.add_row(
            str(report.day),
            f"{report.impressions:,}",
            report.served_version,
            f"{report.true_recall:.3f}",
            f"{report.true_page_reward:.3f}",
            f"{done} -> {report.published_version}",
        )
    return table


def regret_rows(reports: Sequence[NightReport]) -> list[dict[str, Any]]:
    """Regret of each day's searches and of all days so far, page_reward; against the static plan it may be negative.

    Returns:
        one dict a day: date, searches, served, oracle and static (page_reward expected a search), static_plan,
        regret_oracle and regret_static (of the day), cumulative_oracle and cumulative_static.
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


def regret_table(rows: Rows) -> Table:
    """One row a day; below zero, the loop earned more than the best static plan would have."""
    table = Table(title="Regret of the searches served, in true page reward (negative: earned more)", **_STYLE)
    table.add_column("date")
    for name in ("served a search", "oracle", "best static", "regret to oracle", "cumulative", "to best static"):
        table.add_column(name, justify="right")
    table.add_column("cumulative ", justify="right")
    for row in rows:
        table.add_row(
            row["date"],
            f"{row['served']:.3f}",
            f"{row['oracle']:.3f}",
            f"{row['static']:.3f} ({row['static_plan']})",
            *(f"{row[f'{kind}_oracle']:,.0f}" for kind in ("regret", "cumulative")),
            *(f"{row[f'{kind}_static']:+,.0f}" for kind in ("regret", "cumulative")),
        )
    return table


CHALLENGER_GREEDY = "challenger, greedy"
CHALLENGER = "challenger, as served"


def with_challenger(truth: Rows, of_challenger: Rows) -> list[Mapping[str, Any]]:
    """The table with two more rows a slice: what the challenger, still under test or refused, is truly worth."""
    names = {LEARNED_GREEDY: CHALLENGER_GREEDY, LEARNED: CHALLENGER}
    theirs = {
        (row["slice"], row["policy"]): {**row, "policy": names[row["policy"]]}
        for row in of_challenger
        if row["policy"] in names
    }
    rows: list[Mapping[str, Any]] = []
    for row in truth:
        rows.append(row)
        if row["policy"] == LEARNED:
            rows += [theirs[row["slice"], name] for name in names]
    return rows


def truth_tables(rows: Rows) -> list[Table]:
    """True recall and page reward of every policy, a table a slice."""
    slices = list(dict.fromkeys(row["slice"] for row in rows))
    titles = {
        "unseen": "queries never searched in the logs",
        "head": "queries, the most frequent of the logs",
        "tail": "queries, all others of the logs",
    }
    tables = []
    for name in slices:
        members = [row for row in rows if row["slice"] == name]
        table = Table(
            title=f"True values, {name}: {members[0]['queries']:,} {titles.get(name, 'queries')}",
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        table.add_column("policy")
        for column in ("recall", "95 %", "over uniform", "over best static", "gap closed", "page reward", "95 % "):
            table.add_column(column, justify="right")
        for row in members:
            table.add_row(
                f"{row['policy']}{' (' + row['plan'] + ')' if row['plan'] else ''}",
                f"{row['recall']:.3f}",
                _interval(row, "recall"),
                f"{row['over_uniform']:+.3f} {_interval(row, 'over_uniform')}",
                f"{row['over_static']:+.3f} {_interval(row, 'over_static')}",
                f"{row['gap_share']:.0%}",
                f"{row['page_reward']:.3f}",
                _interval(row, "page_reward"),
                style="bold" if row["policy"] in (LEARNED, LEARNED_GREEDY) else None,
            )
        tables.append(table)
    return tables


def ranker_lines(rows: Rows) -> Table:
    """The ranker beside reciprocal rank fusion on the same unions."""
    table = Table(title="True nDCG@10 of the page's order, on the unions drawn", **_STYLE)
    for name in ("slice", "queries", "served order", "rank fusion", "difference", "95 %"):
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
    """Plans that need no learning, without hybrid search, beside the earlier trial."""
    table = Table(title="The same films without hybrid search, memory empty, beside an earlier trial", **_STYLE)
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


def standing(rows: Rows, tested: Challenger | None = None) -> str:
    """One honest sentence a policy: where it stands on unseen queries, clear of its interval or not.

    Args:
        rows: of the table of true values.
        tested: whose rows are those of the challenger, where the table has any.
    """
    unseen = {row["policy"]: row for row in rows if row["slice"] == "unseen"}
    # What `over_static` is measured against: the better of the two on these queries.
    static = max((unseen[STATIC], unseen[STATIC_WITHOUT_MEMORY]), key=lambda row: row["recall"])

    def against(name: str, low: float, high: float) -> str:
        if low > 0.0:
            return f"better than {name}"
        return f"worse than {name}" if high < 0.0 else f"not told apart from {name}"

    def worth(subject: str, greedy: Mapping[str, Any], served: Mapping[str, Any]) -> str:
        return (
            f"{subject} finds {greedy['recall']:.1%} of what is wanted when it does not explore: "
            f"{against('drawing plans at random', greedy['over_uniform_low'], greedy['over_uniform_high'])} "
            f"({unseen[UNIFORM]['recall']:.1%}), "
            f"{against('the best static plan', greedy['over_static_low'], greedy['over_static_high'])} "
            f"({static['recall']:.1%}); the exact best plan of each query would find {unseen[ORACLE]['recall']:.1%}. "
            f"As served, exploring, it finds {served['recall']:.1%}."
        )

    now = worth("the bundle that serves now", unseen[LEARNED_GREEDY], unseen[LEARNED])
    told = f"On queries never searched before, {now}"
    if tested and CHALLENGER_GREEDY in unseen:
        how = f"under test, night {tested.night} of its life" if tested.is_living else f"{tested.outcome} last night"
        challenger = worth(f"The challenger ({how})", unseen[CHALLENGER_GREEDY], unseen[CHALLENGER])
        told += f"\n{challenger}"
    return told


def whereabouts(home: Path, policy_name: str, day: str) -> list[tuple[str, str]]:
    """What is where and which command opens it."""
    at = f"--home {home}"
    store = f"sqlite:///{home.absolute() / 'mlflow.db'}"
    # Named as they can be typed here: the environment's programs need not be on PATH.
    programs = Path(sys.executable).parent
    folder = programs.relative_to(Path.cwd()) if programs.is_relative_to(Path.cwd()) else programs
    return [
        (f"tables in {home / 'tables'}", f"{folder}/ltrr tables list {at}"),
        ("why the last night decided so", f"{folder}/ltrr tables show releases {at}"),
        ("who is under test", f"{folder}/ltrr policies challengers {at}"),
        ("estimates it decided on", f"{folder}/ltrr tables show ope_estimates {at}"),
        (
            f"MLflow runs in {home / 'mlflow.db'}",
            f"{folder}/mlflow ui --backend-store-uri {store}   # then http://127.0.0.1:5000/#/experiments/1/runs",
        ),
        (f"bundles in {home / 'policies' / policy_name}", f"{folder}/ltrr policies list {at}"),
        ("its propensities, replayed", f"{folder}/ltrr policies replay --date {day} --sample 1000 {at}"),
    ]


def _interval(row: Mapping[str, Any], name: str) -> str:
    sign = "+" if name.startswith("over") else ""
    return f"[{row[name + '_low']:{sign}.3f}, {row[name + '_high']:{sign}.3f}]"
