"""The ranker's gate: a new order of the union must beat the one that is served, on queries it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltrr.artifacts.payloads import Payload


@dataclass(frozen=True)
class RankerVerdict:
    """What was decided about tonight's ranker.

    Attributes:
        sha256: of the candidate.
        is_promoted: whether it may replace the order that is served.
        why: in words.
    """

    sha256: str
    is_promoted: bool
    why: str


def judge_ranker(notes: Mapping[str, str], served: Payload | None) -> RankerVerdict | None:
    """Judge by the paired lower bound of counterfactual nDCG over the served order; None without a candidate.

    Args:
        notes: of `train_ranker`: `ranker_sha256`, `ndcg_over_served`, `ndcg_over_served_low`.
        served: the champion's ranker, if it has one.

    >>> notes = {"ranker_sha256": "ab", "ndcg_over_served": "0.02", "ndcg_over_served_low": "0.011"}
    >>> judge_ranker(notes, None).why
    'nDCG differs by +0.0200 from the served order, at least +0.0110 at level 0.025'
    >>> judge_ranker({}, None) is None
    True
    """
    sha256 = notes.get("ranker_sha256", "")
    if not sha256:
        return None
    if served is not None and served.sha256 == sha256:
        return RankerVerdict(sha256, False, "it is the served ranker, byte for byte")
    difference, low = float(notes["ndcg_over_served"]), float(notes["ndcg_over_served_low"])
    why = f"nDCG differs by {difference:+.4f} from the served order, at least {low:+.4f} at level 0.025"
    return RankerVerdict(sha256, low > 0.0, why)
