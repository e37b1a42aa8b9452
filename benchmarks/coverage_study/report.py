"""Bars of the coverage study with the cells that miss them, and the table of all cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from benchmarks.coverage_study.methods import CONFIDENCE
from ltrr.estimation.verdict import TRUST

REFERENCES = ("normal snips", "normal ips", "cressie-read")
"""Reference methods; they have no bar."""


def bars(rows: Sequence[Mapping[str, Any]], repetitions: int) -> dict[str, list[str]]:
    """Bar -> cells that miss it."""
    chance = 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / repetitions)
    misses: dict[str, list[str]] = {}
    for method in ("delta snips", "delta ips", "delta dr", "logit snips"):
        name = f"{method} covers 93.5-96.5 % where R >= 100"
        misses[name] = [
            describe_cell(row, method)
            for row in rows
            if row["evidence_of_users"] >= 100 and not covers_well(row, method)
        ]
        misses[f"{method} covers at least 92 % where 50 <= R < 100"] = [
            describe_cell(row, method)
            for row in rows
            if 50 <= row["evidence_of_users"] < 100 and row["methods"][method]["coverage"] < 0.92
        ]
    for method in ("bernstein snips", "bernstein ips"):
        misses[f"{method} covers at least 95 % less three Monte-Carlo errors"] = [
            describe_cell(row, method) for row in rows if row["methods"][method]["coverage"] < CONFIDENCE - chance
        ]
    misses["a cell where a method of ours covers less than 93.5 % is not trusted"] = [
        describe_cell(row, method)
        for row in rows
        for method in row["methods"]
        if method not in REFERENCES and row["verdict"] == TRUST and row["methods"][method]["coverage"] < 0.935
    ]
    return misses


def covers_well(row: Mapping[str, Any], method: str) -> bool:
    """Whether the coverage lies between 93.5 and 96.5 %."""
    return bool(0.935 <= row["methods"][method]["coverage"] <= 0.965)


def describe_cell(row: Mapping[str, Any], method: str) -> str:
    """One line about a cell and a method."""
    return (
        f"{row['decisions']} decisions, {row['rate']:g} rewarded, {row['overlap']}, {row['per_user']} a user: "
        f"R {row['evidence_of_users']:.0f}, {method} {row['methods'][method]['coverage']:.1%}, {row['verdict']}"
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """All cells as a Markdown table.

    Coverage is in %, with the misses below/above the truth. Widths are relative to delta snips.
    """
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
