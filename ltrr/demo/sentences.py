"""Sentences of a demo's summary, which compare policies only by the intervals of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ltrr.demo.report import CHALLENGER, CHALLENGER_GREEDY, Rows
from ltrr.publishing.trials import Challenger
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, ORACLE, STATIC, STATIC_WITHOUT_MEMORY, UNIFORM


def ranker_sentence(rows: Rows) -> str:
    """Sentence on the slices where the served order is better or worse than rank fusion.

    A difference counts if its interval excludes 0. The text is empty without rows.

    >>> row = {"slice": "head", "over_fusion_low": -0.06, "over_fusion_high": -0.04}
    >>> ranker_sentence([row]).partition(":")[0]
    'The served order is worse than rank fusion on head queries'
    """
    sides: dict[str, list[str]] = {"better": [], "worse": [], "as good": []}
    for row in rows:
        side = "better" if row["over_fusion_low"] > 0 else "worse" if row["over_fusion_high"] < 0 else "as good"
        sides[side].append(row["slice"])
    if not rows:
        return ""
    if not any(row["over_fusion_low"] or row["over_fusion_high"] for row in rows):
        return "The served order is rank fusion: no ranker is released yet."
    than = {"better": "better than", "worse": "worse than", "as good": "not distinguishable from"}
    parts = [f"{than[side]} rank fusion on {_listed(names)} queries" for side, names in sides.items() if names]
    sentence = f"The served order is {', '.join(parts)}"
    if sides["worse"]:
        sentence += (
            ": it learned on the unions of plans that explore, and this table is of greedy plans, which bring other "
            "unions"
        )
    return f"{sentence}."


def _listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> _listed(["head"]), _listed(["head", "tail"]), _listed(["unseen", "head", "tail"])
    ('head', 'head and tail', 'unseen, head and tail')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def recall_sentences(rows: Rows, challenger: Challenger | None = None) -> str:
    """Sentences per policy on its recall on unseen queries and its comparison with other policies.

    Args:
        rows: Rows of the table of true values.
        challenger: Challenger whose values the table has, or None.
    """
    unseen = {row["policy"]: row for row in rows if row["slice"] == "unseen"}
    sentences = [_recall_sentence("the serving bundle", unseen, LEARNED_GREEDY, LEARNED)]
    if challenger and CHALLENGER_GREEDY in unseen:
        night = f"night {challenger.night} of its trial" if challenger.night else "new"
        state = night if challenger.is_judged else f"{challenger.outcome} last night"
        sentences.append(_recall_sentence(f"the challenger ({state})", unseen, CHALLENGER_GREEDY, CHALLENGER))
    return "\n".join(sentences)


def _recall_sentence(subject: str, unseen: Mapping[str, Mapping[str, Any]], greedy_name: str, served_name: str) -> str:
    greedy, served = unseen[greedy_name], unseen[served_name]
    # `over_static` is measured against the better of the two on these queries.
    static = max((unseen[STATIC], unseen[STATIC_WITHOUT_MEMORY]), key=lambda row: row["recall"])
    uniform = _comparison("drawing plans at random", greedy["over_uniform_low"], greedy["over_uniform_high"])
    best = _comparison("the best static plan", greedy["over_static_low"], greedy["over_static_high"])
    return (
        f"On queries never searched before, {subject} finds {greedy['recall']:.1%} of the wanted entities without "
        f"exploration: {uniform} ({unseen[UNIFORM]['recall']:.1%}), {best} ({static['recall']:.1%}). The exact best "
        f"plan of each query finds {unseen[ORACLE]['recall']:.1%}. As served, with exploration, it finds "
        f"{served['recall']:.1%}."
    )


def _comparison(name: str, low: float, high: float) -> str:
    if low > 0.0:
        return f"better than {name}"
    return f"worse than {name}" if high < 0.0 else f"not distinguishable from {name}"
