"""Policies from tables, logs of arrays and of Vowpal Wabbit's text, and real dsjson logs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cases.commands import Said

pytestmark = pytest.mark.spark

DSJSON = Path(os.environ.get("LTRR_DSJSON_DATA") or Path(__file__).parents[3] / "shared" / "data" / "dsjson")
needs_dsjson = pytest.mark.skipif(
    not DSJSON.is_dir(), reason=f"no dsjson logs in {DSJSON}; LTRR_DSJSON_DATA names them"
)


def estimates_of(answer: tuple[int, str, str]) -> dict[str, dict[str, Any]]:
    code, out, err = answer
    assert (code, err) == (0, "")
    return {row["estimator"]: row for row in json.loads(out)["estimates"]}


def write_obd(folder: Path) -> np.ndarray:
    """A folder of the Open Bandit Dataset; item, position and click of its rows, [N, 3]."""
    rng = np.random.default_rng(7)
    drawn = [(int(rng.integers(2)), 1 + n % 3, int(rng.random() < 0.4)) for n in range(300)]
    names = ["", "timestamp", "item_id", "position", "click", "propensity_score", "user-item_affinity_0"]
    lines = [f"{n},2019-11-24 00:00:{n},{item},{place},{click},0.5,0.0" for n, (item, place, click) in enumerate(drawn)]
    folder.mkdir(parents=True)
    (folder / "all.csv").write_text("\n".join([",".join(names), *lines]))
    (folder / "item_context.csv").write_text(",item_id,item_feature_0\n0,0,0.5\n1,1,0.25\n")
    return np.array(drawn)


def test_a_context_free_policy_is_a_table(said: Said) -> None:
    drawn = write_obd(Path("random/all"))
    chances = np.array([[0.9, 0.5, 0.2], [0.1, 0.5, 0.8]])
    rows = [f"{item},{place + 1},{chances[item, place]}" for item in range(2) for place in range(3)]
    Path("bts.csv").write_text("\n".join(["item_id,position,probability", *rows]))
    weights = chances[drawn[:, 0], drawn[:, 1] - 1] / 0.5
    for log in ("random/all/all.csv", "random/all"):
        found = estimates_of(said(log, "--target-policy", "bts.csv", "--json"))
        assert len(found) == 10, "the user features that the log lacks are left out"
        assert found["ips"]["value"] == pytest.approx(np.mean(weights * drawn[:, 2]), rel=1e-6)
    both = said(
        "random/all", "--target-policy", "bts.csv", "--target-policy", "bts.csv", "--estimator", "ips", "--json"
    )
    assert len(json.loads(both[1])["policies"]) == 2


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("item_id,probability\n0,0.5\n1,0.4\n", "expected a row for each action from 0"),
        ("item_id,probability\n0,half\n1,0.5\n", "got item_id 0, probability half"),
        ("item_id,hour,probability\n0,1,0.5\n1,1,0.5\n", "and columns of the log, got item_id, hour, probability"),
    ],
)
def test_an_incomplete_table_is_one_error(said: Said, table: str, sentence: str) -> None:
    write_obd(Path("all"))
    Path("policy.csv").write_text(table)
    code, out, err = said("all", "--target-policy", "policy.csv", "--json")
    assert (code in (1, 2), out, len(err.splitlines())) == (True, "", 1)
    assert sentence in err


def test_saved_arrays_of_open_bandit_pipeline_are_read(said: Said) -> None:
    rng = np.random.default_rng(8)
    action, position = rng.integers(0, 3, 200), rng.integers(0, 2, 200)
    reward = (rng.random(200) < 0.5).astype(int)
    chosen = rng.dirichlet(np.ones(3), (200, 2)).transpose(0, 2, 1)
    np.savez(
        "feedback.npz",
        n_rounds=200,
        action=action,
        position=position,
        reward=reward,
        pscore=np.full(200, 1 / 3),
        action_dist=chosen,
    )
    found = estimates_of(said("feedback.npz", "--target-propensity", "action_dist", "--json"))
    weights = chosen[np.arange(200), action, position] * 3.0
    assert found["ips"]["value"] == pytest.approx(np.mean(weights * reward), rel=1e-6)


def test_text_of_vowpal_wabbit_is_a_log(said: Said) -> None:
    Path("log.vw").write_text("".join(f"{1 + n % 2}:{-(n % 4 == 0):d}:0.5 | a b{n}\n" for n in range(40)) + "| x\n")
    Path("half.csv").write_text("action,probability\n0,0.5\n1,0.5\n")
    answer = said("log.vw", "--target-policy", "half.csv", "--estimator", "ips", "--json")
    assert estimates_of(answer)["ips"]["value"] == pytest.approx(0.25)
    assert json.loads(answer[1])["skipped"] == {"a line without a label action:cost:probability": 1}


def test_any_log_is_exported_with_its_features(said: Said) -> None:
    Path("log.csv").write_text("action,reward,logging_propensity,age,place\n1,1,0.5,30,New York\n0,0,0.25,0,x\n")
    code, out, err = said("log.csv", "--export-vw", "log.vw", "--action", "action", "--feature", "age")
    assert (code, out, err) == (0, "", "wrote 2 decisions to log.vw\n")
    assert Path("log.vw").read_text() == "2:-1:0.5 | age:30\n1:0:0.25 |\n"
    code, _, err = said("log.csv", "--export-vw", "log.vw")
    assert code == 2
    assert "VW's labels need the action taken" in err


@needs_dsjson
@pytest.mark.parametrize(
    ("name", "format_", "skipped"),
    [
        ("decisionservice.json", "dsjson", {}),
        ("dsjson_cb.json", "dsjson", {}),
        ("igl.dsjson", "dsjson", {}),
        ("b1848_dsjson_parser_regression.txt", "dsjson", None),
        ("0001.json", "ndjson", None),
    ],
)
def test_every_file_of_the_collection_has_its_format(
    said: Said, name: str, format_: str, skipped: dict[str, int] | None
) -> None:
    answer = said(DSJSON / name, "--target-propensity", "p", "--json")
    if skipped is None:
        assert answer[0] in (1, 2)
        assert len(answer[2].splitlines()) == 1
        return
    assert json.loads(answer[1])["format"] == format_
    assert json.loads(answer[1])["skipped"] == skipped
    assert estimates_of(answer)["ips"]["mean_weight"] == pytest.approx(1.0, rel=1e-6)
