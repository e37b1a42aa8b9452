"""Bars of the gate study, and the tables of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.gate_study.challengers import DESIGN
from benchmarks.gate_study.measures import HARMED_SLICE


def bars_of(result: Mapping[str, Any]) -> dict[str, bool]:
    """Bar -> whether it is met."""
    bars: dict[str, bool] = {
        f"at most 5 % of streams promote falsely: {name}": row["promoted"] <= DESIGN.alpha
        for name, row in result["false"].items()
        if not name.startswith("(")
    }
    for row in result["gains"]:
        if row["gain"] == DESIGN.effect:
            bars[f"+2 % promoted within 14 nights in at least 80 %, s {row['s']:.1f}"] = row["promoted"] >= 0.8
    for row in result["slices"]:
        if row["waits"] and row["slice"] == HARMED_SLICE:
            whole = f"{row['gain']:+.0%} on the whole"
            bars[f"a slice harmed by 10 % refused in at least 90 % of those otherwise promoted, {whole}"] = (
                row["refused_of_crossed"] >= 0.9
            )
    return bars


def tables(result: Mapping[str, Any]) -> str:
    """The tables of the documentation."""
    lines = ["| no true difference | streams | falsely promoted | challengers a stream |", "|---|---|---|---|"]
    for name, row in result["false"].items():
        lines.append(f"| {name} | {row['streams']:,} | {row['promoted']:.2%} | {row['challengers']:.1f} |")
    lines += ["", "| true gain | s | impressions a night | promoted within 14 nights | median night |"]
    lines[-1] += " predicted nights |"
    lines += ["|---|---|---|---|---|---|"]
    for row in result["gains"]:
        lines.append(
            f"| {row['gain']:+.0%} | {row['s']:.2f} | {row['impressions']:,} | {row['promoted']:.1%} | "
            f"{row['median_night']:.0f} | {row['told']:g} |"
        )
    lines += ["", "| slices | whole | one of twelve | whole would be promoted | promoted | refused of those |"]
    lines[-1] += " median night |"
    lines += ["|---|---|---|---|---|---|---|"]
    for row in result["slices"]:
        slices = "waited for" if row["waits"] else "as they are"
        lines.append(
            f"| {slices} | {row['gain']:+.0%} | {row['slice']:+.0%} | {row['crossed']:.1%} | {row['promoted']:.1%} | "
            f"{row['refused_of_crossed']:.1%} | {row['median_night']:.0f} |"
        )
    lines += [
        "",
        "| bound, alpha .01 over 14 nights | falsely promoted | +2 % promoted | mean nights |",
        "|---|---|---|---|",
    ]
    for name, (promoted, nights) in result["bounds"]["better"].items():
        lines.append(f"| {name} | {result['bounds']['equal'][name][0]:.2%} | {promoted:.1%} | {nights:.1f} |")
    return "\n".join(lines) + "\n"
