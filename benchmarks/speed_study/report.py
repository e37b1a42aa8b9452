"""The section of the documentation on the speed of judging a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed_study.scoring import ONE_BY_ONE, SCORING, VW_CACHE, VW_TEXT, WHOLE

NUMPY, NUMPY_USERS, LTRR, LTRR_USERS = "numpy", "numpy, by user", "ltrr", "ltrr, by user"
WAYS = (NUMPY, LTRR, NUMPY_USERS, LTRR_USERS)


def table(figures: dict[str, Any]) -> list[str]:
    """Lines of the tables: one line for each way."""
    work = figures["rows"] * figures["policies"] * figures["estimators"]
    lines = ["| way | seconds | core seconds | million rows a second | : plain numpy | core seconds : numpy's |"]
    lines.append("|---" * 6 + "|")
    for way in WAYS:
        base = figures["ways"][NUMPY_USERS if "user" in way else NUMPY]
        mine = figures["ways"][way]
        lines.append(
            f"| {way} | {mine['seconds']:.2f} | {mine['core_seconds']:.2f} "
            f"| {figures['rows'] / mine['seconds'] / 1e6:.2f} "
            f"| {mine['seconds'] / base['seconds']:.2f} | {mine['core_seconds'] / base['core_seconds']:.2f} |"
        )
    for name in ("points", "intervals") if "sb_obp" in figures else ():
        seconds = figures["sb_obp"][name]
        base = figures["ways"][NUMPY]
        lines.append(
            f"| sb-obp, {name} | {seconds:,.0f} | | {figures['rows'] / seconds / 1e6:.3f} "
            f"| {seconds / base['seconds']:,.0f} | ({work / seconds / 1e6:.1f} M rows a second and call) |"
        )
    scoring = figures["scoring"]["core_microseconds"]
    lines += ["", "| scoring of a candidate | decisions a second and core | : vw, text |", "|---|---|---|"]
    lines += [
        f"| {way} | {1e6 / scoring[way]:,.0f} | {scoring[VW_TEXT] / scoring[way]:.2f} |"
        for way in (VW_TEXT, VW_CACHE, SCORING, ONE_BY_ONE, WHOLE)
    ]
    return lines


HEAD = "## Judging a log"


def write_section(page: Path, lines: list[str], figures: dict[str, Any]) -> None:
    """Replace the section of this benchmark; keep the others."""
    before, _, after = page.read_text(encoding="utf-8").partition(f"\n{HEAD}\n")
    rest = after.partition("\n## ")
    others = f"\n## {rest[2]}" if rest[1] else ""
    measured = (
        f"Measured {figures['measured']}: {figures['rows']:,} decisions, {figures['policies']} policies, "
        f"{figures['estimators']} estimators, on {figures['cores']} cores with a load of {figures['load']:.1f}."
    )
    if "sb_obp" in figures:
        measured += (
            f" sb-obp ran with one policy on {figures['sb_obp']['rows']:,} rows; its seconds are multiplied to all "
            f"policies and rows. Its intervals have {figures['sb_obp']['replicates']} replicates "
            "(its default is 10,000)."
        )
    section = "\n".join([f"\n{HEAD}", "", TEXT, *lines, "", measured, ""])
    page.write_text(before.rstrip("\n") + "\n" + section + others, encoding="utf-8")


TEXT = """\
`benchmarks/ope_speed.py` evaluates ten policies with ten estimators in one scan of Parquet files.
All estimates have 95 % intervals by the delta method.

- *numpy* is one process that adds up doubles a batch at a time, with the quicker of two batch
  sizes. Arrow reads for it with any number of threads.
- *ltrr* is `estimate_policies` in a warm session of Spark on all cores. Its tasks read the files
  themselves. Its sums are whole numbers, with the same bits for any partitions.
- *sb-obp* is the Open Bandit Pipeline, with its point estimates and its bootstrap intervals.
- *by user*: the decisions of one user are one cluster, so rows are shuffled once to bring them
  together. Rows of a user lie anywhere in this log, which is the worst case.

If a log does not contain a candidate's propensities, they must be computed. That costs more than
all sums. The second table compares ways to score a candidate:

- *vw* is Vowpal Wabbit alone, predicting from a text file that exists already, or from its cache of
  that file.
- *scoring* is ltrr from a decision's features to the probability of each of 210 plans: shortlist,
  features of the plans, scores, exploration. It takes thousands of decisions at once ([ADR
  14](../adr/0014-scores-of-a-batch.md)). *one by one* is the same for single decisions, as in a
  service.
- *whole pass* is all that a task of `evaluate_policies` does for one policy. It reads the rows of
  the log with the blocks that were seen, values the plans, predicts q-hat, scores, and computes the
  terms. Most of the time is for reading rows one by one.
"""
