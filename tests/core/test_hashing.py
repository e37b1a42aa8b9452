"""Hashes: folds, buckets and pseudonyms are the same in every version."""

import numpy as np

from ltrr.core.hashing import bucket, unit_interval, user_fold, user_key


def test_golden_values() -> None:
    assert user_key("a secret", "user-1") == "db44496f049f52a13c605f4c22a2b9d0"
    assert (bucket("the matrix", 16), user_fold("0" * 32), round(unit_interval("i1", "plan"), 9)) == (
        8,
        93,
        0.807824241,
    )


def test_folds_and_buckets_are_even() -> None:
    folds = np.bincount([user_fold(user_key("s", str(n))) for n in range(20_000)], minlength=100)
    buckets = np.bincount([bucket(f"query {n}", 8) for n in range(8_000)], minlength=8)
    assert folds.min() > 140
    assert folds.max() < 265
    assert abs(buckets - 1_000).max() < 130


def test_any_text_can_be_hashed() -> None:
    assert 0.0 <= unit_interval("\ud800", "plan") < 1.0
    assert len(user_key("s", "\ud800")) == 32
