"""`ltrr ope-draws` on any log: a table or JSON, and one sentence for a mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ltrr.cli import main
from ltrr.estimation.draw_orders import step_lattice

pytestmark = pytest.mark.spark


@pytest.fixture
def log(spark, tmp_path):
    """Two draws of two strategies; the true value of a target of .8 per draw is .96.

    A page with strategy 0 in it has the reward 1.
    """
    drawn = np.random.default_rng(5).integers(0, 2, (2_000, 2))
    logging = step_lattice(lambda depths: np.full((len(depths), 2), 0.5), drawn, 2)
    target = step_lattice(lambda depths: np.tile([0.8, 0.2], (len(depths), 1)), drawn, 2)
    first = (drawn == 0) & (np.cumsum(drawn == 0, axis=1) == 1)
    rows = [
        (earned.astype(float).tolist(), one.ravel().tolist(), other.ravel().tolist(), 2, f"u{n % 400}")
        for n, (earned, one, other) in enumerate(zip(first, logging, target, strict=True))
    ]
    schema = "earned array<double>, logging_propensities array<double>, pi array<double>, size int, user string"
    path = str(tmp_path / "log")
    spark.createDataFrame(rows, schema).write.parquet(path)
    return path


def said(capsys, *arguments):
    """Exit code, stdout and stderr of one command."""
    code = main(["ope-draws", *arguments])
    return code, *capsys.readouterr()


def test_a_log_of_draws_is_judged(log, capsys) -> None:
    arguments = (log, "--target-propensities", "pi", "--column", "rewards=earned", "--column", "user=user")
    code, out, _ = said(capsys, *arguments, "--json")
    assert code == 0
    answer = json.loads(out)
    estimates = {row["estimator"]: row for row in answer["estimates"]}
    assert list(estimates) == ["sequence_ips", "union", "union_ips"]
    for row in estimates.values():
        # Three figures at 5.5 standard errors: a false alarm with a probability below 2e-7.
        assert abs(row["value"] - 0.96) < 5.5 * (row["high"] - row["low"]) / 3.92
        assert (row["verdict"], row["users"]) == ("trust", 400)
    assert answer["left_out"]["pdis"] == "it is right on found_reward alone"

    found = ("--reward", "found_reward", "--page-size", "4", "--column", "union_size=size")
    code, out, _ = said(capsys, *arguments, *found)
    assert code == 0
    assert "pdis and union agree" in out
    assert "left out: iips, pi: it needs slots filled independently" in out


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--column", "rewards"), "MEANING=COLUMN"),
        (("--column", "colour=earned"), "MEANING=COLUMN"),
        (("--format", "csv"), "parquet, delta"),
        (("--reward", "clicks"), "page_reward or found_reward"),
        (("--reward", "found_reward", "--column", "rewards=earned"), "page_size"),
        (("--estimator", "pi", "--column", "rewards=earned"), "slots filled independently"),
        ((), "there is no rewards"),
    ],
)
def test_mistakes_end_with_2_and_a_sentence(log, capsys, more, expected) -> None:
    code, out, err = said(capsys, log, "--target-propensities", "pi", *more)
    assert code == 2
    assert expected in err
    assert not out
