"""`ltrr ope` on any log: four formats, a table or JSON, and one sentence for a mistake."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ltrr.cli import main

pytestmark = pytest.mark.spark

DSJSON = Path(os.environ.get("LTRR_DSJSON_DATA") or Path(__file__).parents[3] / "shared" / "data" / "dsjson")
needs_dsjson = pytest.mark.skipif(
    not DSJSON.is_dir(), reason=f"no dsjson logs in {DSJSON}; LTRR_DSJSON_DATA names them"
)


@pytest.fixture
def log(spark):
    rng = np.random.default_rng(5)
    rows = [
        (f"e{n}", int(action), 0.25, [0.1, 0.2, 0.3, 0.4], float(rng.random() < 0.1 + 0.2 * action), f"u{n % 200}")
        for n, action in enumerate(rng.integers(0, 4, 2_000))
    ]
    schema = "event string, action int, logging_propensity double, pi array<double>, reward double, user string"
    return spark.createDataFrame(rows, schema)


def said(capsys, *arguments):
    """Exit code, stdout and stderr of one command."""
    code = main(["ope", *(str(argument) for argument in arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("format_", ["parquet", "delta"])
def test_tables_are_judged(log, tmp_path, capsys, format_) -> None:
    log.write.format(format_).save(str(tmp_path / "log"))
    arguments = (tmp_path / "log", "--format", format_, "--target-propensity", "pi", "--action", "action")
    arguments += ("--user", "user")
    code, out, _ = said(capsys, *arguments, "--fold-by", "event", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["columns"]["target_propensity"] == "pi"
    estimates = {row["estimator"]: row for row in answer["estimates"]}
    truth = sum(p * (0.1 + 0.2 * action) for action, p in enumerate([0.1, 0.2, 0.3, 0.4]))
    for name in ("ips", "snips", "dr", "sndr"):
        error = (estimates[name]["high"] - estimates[name]["low"]) / 3.92
        # Four figures at 5.5 standard errors: a false alarm with a probability below 2e-7.
        assert abs(estimates[name]["value"] - truth) < 5.5 * error
        assert (estimates[name]["verdict"], estimates[name]["users"]) == ("trust", 200)

    code, out, _ = said(capsys, *arguments, "--estimator", "snips", "--slice", "action")
    assert code == 0
    assert "action=3" in out
    assert "trust" in out
    assert "mean weight" in out


def test_the_open_bandit_dataset_is_read_as_it_comes(tmp_path, capsys) -> None:
    names = ["", "timestamp", "item_id", "position", "click", "propensity_score"]
    names += [f"user_feature_{n}" for n in range(4)] + ["user-item_affinity_0", "bts"]
    rng = np.random.default_rng(6)
    with (tmp_path / "obd.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for n in range(400):
            item = int(rng.integers(2))
            known = (n, f"2019-11-24 00:00:{n}", item, 1 + n % 3, int(rng.random() < 0.5), 0.5, *"abcd", 0.0)
            writer.writerow([*known, json.dumps([0.9, 0.1])])
    code, out, err = said(capsys, tmp_path / "obd.csv", "--format", "obd", "--target-propensity", "bts", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert len(answer["estimates"]) == 10
    assert answer["left_out"] == {}
    assert answer["estimates"][0]["mean_weight"] == pytest.approx(1.0, abs=0.15)


@needs_dsjson
@pytest.mark.parametrize(
    ("file", "decisions", "value", "estimators"),
    [("dsjson_cb.json", 23, 12 / 23, 10), ("igl.dsjson", 200, 61 / 200, 5), ("decisionservice.json", 3, 2 / 3, 10)],
)
def test_decision_service_logs_judge_their_own_policy_by_its_mean(capsys, file, decisions, value, estimators) -> None:
    code, out, _ = said(capsys, DSJSON / file, "--format", "dsjson", "--target-propensity", "p", "--json")
    assert code == 0
    answer = json.loads(out)
    assert len(answer["estimates"]) == estimators
    ips = answer["estimates"][0]
    assert (ips["estimator"], ips["decisions"]) == ("ips", decisions)
    assert ips["value"] == pytest.approx(value, rel=1e-6)
    assert ips["mean_weight"] == pytest.approx(1.0, rel=1e-6)
    assert ips["verdict"] != "trust", "so few decisions carry no verdict"


@needs_dsjson
def test_lines_that_are_no_decisions_are_counted(capsys, tmp_path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    for name in ("b1848_dsjson_parser_regression.txt", "dsjson_cb.json"):
        (both / name).write_bytes((DSJSON / name).read_bytes())
    for users in ((), ("--user", "event_id")):
        code, out, _ = said(capsys, both, "--format", "dsjson", "--target-propensity", "p", "--json", *users)
        assert code == 0
        answer = json.loads(out)
        assert answer["estimates"][0]["decisions"] == 23
        assert answer["skipped"] == {
            "an observation that came after its decision": 6,
            "not a JSON object": 1,
            "not activated": 1,
        }
    code, out, err = said(capsys, DSJSON / "0001.json", "--format", "dsjson", "--target-propensity", "p")
    assert (code, out) == (1, "")
    assert err == (
        "ltrr: there is no decision in this log: got 200 x not a decision record; check the path and the format\n"
    )


def test_dsjson_probabilities_stand_in_the_order_of_a(tmp_path, capsys) -> None:
    record = {
        "_label_cost": -1.0, "_label_probability": 0.5, "_label_Action": 3, "_labelIndex": 2, "EventId": "e",
        "a": [3, 1, 2], "p": [0.5, 0.3, 0.2], "c": {"geo": "x.y"}, "mine": [0.25, 0.75, 0.0],
    }  # fmt: skip
    lines = [json.dumps(record | {"EventId": f"e{n}", "_label_cost": -(n % 2)}) for n in range(8)]
    (tmp_path / "log.json").write_text("\n".join(lines))
    arguments = (tmp_path / "log.json", "--format", "dsjson", "--json", "--slice", "c.geo")
    code, out, _ = said(capsys, *arguments, "--target-propensity", "mine")
    assert code == 0
    answer = json.loads(out)
    assert answer["estimates"][0]["mean_weight"] == 0.5
    assert {row["slice"] for row in answer["estimates"]} == {"all", "c.geo=x.y"}


def test_mistakes_are_one_sentence_and_exit_2(log, tmp_path, capsys) -> None:
    log.write.parquet(str(tmp_path / "log"))
    base = (tmp_path / "log", "--target-propensity")
    for arguments, sentence in (
        ((*base, "pie", "--action", "action"), "columns are missing or of an unsupported type: expected"),
        ((*base, "pi", "--format", "excel"), "unknown log format: --format"),
        ((*base, "pi", "--estimator", "magic"), "unknown estimator"),
        ((*base, "pi", "--action", "action", "--estimator", "dr"), "the log does not allow this estimator: dr"),
        ((tmp_path / "nowhere", "--target-propensity", "pi"), "the log cannot be read"),
        ((*base, "pi", "--action", "action", "--largest-weight", "0"), "setting out of range: largest_weight"),
    ):
        code, out, err = said(capsys, *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith(f"ltrr: {sentence}")
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("format_", ["parquet", "delta"])
def test_several_policies_are_judged_at_once(spark, tmp_path, capsys, format_) -> None:
    rng = np.random.default_rng(6)
    rows = [(0.5, float(a), float(1.0 - a), float(b)) for a, b in zip(rng.random(400), rng.random(400), strict=True)]
    log = spark.createDataFrame(rows, "logging_propensity double, one double, other double, reward double")
    log.write.format(format_).save(str(tmp_path / "log"))
    arguments = (tmp_path / "log", "--format", format_, "--target-propensity", "one", "--json")
    alone = json.loads(said(capsys, *arguments)[1])
    both = json.loads(said(capsys, *arguments, "--target-propensity", "other")[1])
    assert [policy["columns"]["target_propensity"] for policy in both["policies"]] == ["one", "other"]
    assert both["policies"][0]["estimates"] == alone["estimates"]
    assert both["policies"][1]["estimates"] != alone["estimates"]
    code, _, err = said(capsys, *arguments, "--target-propensity", "other", "--q-target", "one", "--q-taken", "one")
    assert code == 2
    assert "one for each --target-propensity" in err
