"""The table of true values has rows for a challenger that does not serve."""

from __future__ import annotations

from ltrr.demo.report import CHALLENGER, CHALLENGER_GREEDY, with_challenger
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, UNIFORM


def table(recall: float) -> list[dict[str, object]]:
    """Three rows on two slices."""
    return [
        {"slice": name, "policy": policy, "recall": recall}
        for name in ("unseen", "head")
        for policy in (LEARNED_GREEDY, LEARNED, UNIFORM)
    ]


def test_its_rows_follow_those_of_the_policy_that_serves() -> None:
    rows = with_challenger(table(0.5), table(0.6))
    assert [row["policy"] for row in rows if row["slice"] == "head"] == [
        LEARNED_GREEDY,
        LEARNED,
        CHALLENGER_GREEDY,
        CHALLENGER,
        UNIFORM,
    ]
    assert {row["recall"] for row in rows if "challenger" in str(row["policy"])} == {0.6}
    assert {row["recall"] for row in rows if "challenger" not in str(row["policy"])} == {0.5}
