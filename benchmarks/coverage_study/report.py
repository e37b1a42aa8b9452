"""Bars with the cells that miss them, and every cell as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from benchmarks.coverage_study.methods import CONFIDENCE
from ltrr.estimation.verdict import TRUST

REFERENCES = ("normal snips", "normal ips", "cressie-read")
"""Methods for comparison, without a bar."""


def bars(rows: Sequence[Mapping[str, Any]], repetitions: int) -> dict[str, list[str]]:
    """Each bar with the cells that do not reach it."""
    chance = 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / repetitions)
    found: dict[str, list[str]] = {}
    for method in ("delta snips", "delta ips", "delta dr", "logit snips"):
        name = f"{method} covers 93.5-96.5 % where R >= 100"
        found[name] = [at(row, method) for row in rows if row["evidence_of_users"] >= 100 and not is_good(row, method)]
        found[f"{method} covers at least 92 % where 50 <= R < 100"] = [
            at(row, method)
            for row in rows
            if 50 <= row["evidence_of_users"] < 100 and row["methods"][method]["coverage"] < 0.92
        ]
    for method in ("bernstein snips", "bernstein ips"):
        found[f"{method} covers at least 95 % less three Monte-Carlo errors"] = [
            at(row, method) for row in rows if row["methods"][method]["coverage"] < CONFIDENCE - chance
        ]
    found["a cell where a method of ours covers less than 93.5 % is not trusted"] = [
        at(row, method)
        for row in rows
        for method in row["methods"]
        if method not in REFERENCES and row["verdict"] == TRUST and row["methods"][method]["coverage"] < 0.935
    ]
    return found


def is_good(row: Mapping[str, Any], method: str) -> bool:
    """Whether coverage is where 95 % should be."""
    return bool(0.935 <= row["methods"][method]["coverage"] <= 0.965)


def at(row: Mapping[str, Any], method: str) -> str:
    """A cell as text."""
    return (
        f"{row['decisions']} decisions, {row['rate']:g} rewarded, {row['overlap']}, {row['per_user']} a user: "
        f"R {row['evidence_of_users']:.0f}, {method} {row['methods'][method]['coverage']:.1%}, {row['verdict']}"
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """All cells in Markdown: coverage in %, with the misses below/above the truth; widths relative to delta snips."""
    titles = (
        *("decisions", "rewarded", "overlap", "a user", "ESS", "R by row", "R", "verdict", "trusted"),
        *("delta snips", "delta ips", "delta dr", "logit snips", "Bernstein", "normal snips", "Cressie-Read"),
        *("width: Bernstein", "Cressie-Read", "bootstrap"),
    )
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for row in rows:
        methods = {
            name: f"{100 * method['coverage']:.1f} ({100 * method['below']:.1f}/{100 * method['above']:.1f})"
            for name, method in row["methods"].items()
        }
        values = (
            f"{row['decisions']:,}",
            f"{row['rate']:.1%}",
            row["overlap"],
            row["per_user"],
            f"{row['effective_sample_size']:,.0f}",
            f"{row['evidence']:,.0f}",
            f"{row['evidence_of_users']:,.0f}",
            row["verdict"],
            f"{row['trusted']:.0%}",
            methods["delta snips"],
            *(methods[name].split()[0] for name in ("delta ips", "delta dr")),
            methods["logit snips"],
            *(methods[name].split()[0] for name in ("bernstein snips", "normal snips", "cressie-read")),
            f"{row['methods']['bernstein snips']['width']:.1f}",
            f"{row['methods']['cressie-read']['width']:.2f}",
            f"{row['bootstrap_width']:.2f}",
        )
        lines.append(f"| {' | '.join(map(str, values))} |")
    return "\n".join(lines) + "\n"
