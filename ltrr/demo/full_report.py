"""The full report of a demo, a file in its home, with all figures and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ltrr.demo.loop import NightReport
from ltrr.demo.plain_console import PlainConsole
from ltrr.demo.report import Rows, order_table, trial_table
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY

FILE = "demo-report.txt"
WIDTH = 200
_STYLE: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD}


def write_report(home: Path, reports: Sequence[NightReport], outcome: Mapping[str, Any]) -> Path:
    """Write the report; its tables are up to 200 columns wide."""
    file = home / FILE
    with file.open("w", encoding="utf-8") as stream:
        console = PlainConsole(file=stream, width=WIDTH)
        console.print(nights_table(reports))
        for report in reports:
            console.print(verdict_lines(report), markup=False, highlight=False)
        console.print("", full_regret_table(outcome["regret"]))
        for table in truth_tables(outcome["truth"]):
            console.print(table)
        console.print(order_table(outcome["ranker"]))
        if "trial" in outcome:
            console.print(trial_table(outcome["trial"]))
    return file


def verdict_lines(report: NightReport) -> str:
    """Releases and refusals of a night with their reasons, one per line."""
    return "\n".join(f"{report.day} {one['action']} {one['version']}: {one['why']}" for one in report.releases)


def nights_table(reports: Sequence[NightReport]) -> Table:
    """Searches, serving version, true values and releases of each night."""
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


def full_regret_table(rows: Rows) -> Table:
    """Table of the regret per day; negative: the day earned more than the best static plan."""
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


def truth_tables(rows: Rows) -> list[Table]:
    """True recall and page reward of every policy, a table per slice."""
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
            **_STYLE,
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


def _interval(row: Mapping[str, Any], name: str) -> str:
    sign = "+" if name.startswith("over") else ""
    return f"[{row[name + '_low']:{sign}.3f}, {row[name + '_high']:{sign}.3f}]"
