"""NDCG and reciprocal rank fusion."""

from math import isnan, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.ranking_metrics import ndcg, reciprocal_rank_fusion

gains = st.lists(st.floats(0, 3), min_size=1, max_size=12)


@given(gains, st.integers(1, 12))
def test_ndcg_is_one_for_the_best_order_and_never_more(found: list[float], k: int) -> None:
    value = ndcg(found, k)
    if max(found) < 1e-300:
        return
    assert 0.0 <= value <= 1.0 + 1e-12
    assert ndcg(sorted(found, reverse=True), k) == pytest.approx(1.0)


def test_ndcg_by_hand() -> None:
    assert ndcg([0.0, 3.0, 1.0], k=2) == pytest.approx((3 / log2(3)) / (3 + 1 / log2(3)))
    assert isnan(ndcg([0.0, 0.0]))


def test_fusion_does_not_depend_on_the_order_of_rankings() -> None:
    rankings = [["a", "b", "c"], ["c", "d"], ["b"]]
    assert reciprocal_rank_fusion(rankings) == pytest.approx(reciprocal_rank_fusion(rankings[::-1]))
