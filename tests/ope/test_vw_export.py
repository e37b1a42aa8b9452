"""`ltrr ope --export-vw`: Vowpal Wabbit learns from the text as from the log itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ltrr.errors import SupportError
from ltrr.ope.log_paths import find_log
from ltrr.ope.vw_export import export_dsjson, export_vw_lines
from ltrr.ope.vw_features import write_namespaces

vowpalwabbit = pytest.importorskip("vowpalwabbit")

DSJSON = Path(os.environ.get("LTRR_DSJSON_DATA") or Path(__file__).parents[3] / "shared" / "data" / "dsjson")
needs_dsjson = pytest.mark.skipif(
    not DSJSON.is_dir(), reason=f"no dsjson logs in {DSJSON}; LTRR_DSJSON_DATA names them"
)


def progressive_loss(arguments: str) -> tuple[float, float]:
    """(sum of losses, number of examples) of one pass."""
    model = vowpalwabbit.Workspace(f"{arguments} --quiet")
    loss = (model.get_sum_loss(), model.get_weighted_examples())
    model.finish()
    return loss


def record(n: int, **more: Any) -> dict[str, Any]:
    taken = n % 2
    context = {
        "place": "New York",
        "User": {"age": 30 + n, "is new": n % 3 == 0, "_id": n, "nothing": None, "deep": {"x|y": "a:b"}},
        "Tags": [{"colour": "red"}, 0.25, {"size": n % 4}, 2],
        "_multi": [{"i": {"id": f"item {k}", "price": 0.5 * k}, "_tag": "t"} for k in range(2)],
    }
    label = {"_label_cost": -float(n % 3 == taken), "_label_probability": 0.5, "_labelIndex": taken}
    return label | {"EventId": f"e{n}", "a": [taken + 1, 2 - taken], "p": [0.5, 0.5], "c": context} | more


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records))
    return path


@pytest.mark.parametrize("options", ["--cb_explore_adf", "--cb_explore_adf -q UT --cb_type dr", "--cb_adf -q ::"])
def test_the_progressive_loss_is_that_of_the_log(tmp_path: Path, options: str) -> None:
    log = write(tmp_path / "log.json", [record(n) for n in range(200)])
    written, skipped = export_dsjson(find_log(str(log)), tmp_path / "log.vw")
    assert (written, skipped) == (200, {})
    text = progressive_loss(f"-d {tmp_path / 'log.vw'} {options}")
    assert text == pytest.approx(progressive_loss(f"--dsjson -d {log} {options}"), rel=1e-5)
    assert text[1] == 200


def test_slots_become_ccb_examples(tmp_path: Path) -> None:
    def slots(n: int) -> dict[str, Any]:
        outcomes = [
            {"_label_cost": -float(n % 3 == 0), "_id": "top", "_a": [2, 1, 0], "_p": [0.5, 0.25, 0.25]},
            {"_label_cost": -float(n % 5 == 0), "_id": "side", "_a": [1, 0], "_p": [0.5, 0.5]},
        ]
        context = {"U": {"age": n}, "_multi": [{"i": {"k": k}} for k in range(3)], "_slots": [{"s": {"n": 1}}, {}]}
        return {"EventId": f"e{n}", "Timestamp": "2026-03-02T12:00:00Z", "c": context, "_outcomes": outcomes}

    log = write(tmp_path / "log.json", [slots(n) for n in range(60)])
    export_dsjson(find_log(str(log)), tmp_path / "log.vw")
    text = progressive_loss(f"-d {tmp_path / 'log.vw'} --ccb_explore_adf")
    assert text == pytest.approx(progressive_loss(f"--dsjson -d {log} --ccb_explore_adf"), rel=1e-5)


def test_lines_that_are_no_decisions_are_left_out_and_counted(tmp_path: Path) -> None:
    log = write(tmp_path / "log.json", [record(0), record(1, _skipLearn=True), '{"a', {"RewardValue": 1}])
    written, skipped = export_dsjson(find_log(str(log)), tmp_path / "log.vw")
    assert written == 1
    assert skipped == {
        "not activated": 1,
        "malformed JSON: cut off, or not JSON": 1,
        "an observation that came after its decision": 1,
    }
    with pytest.raises(SupportError, match=r"log.json line 1: expected pdrop 0, got 0.5"):
        export_dsjson(find_log(str(write(log, [record(0, pdrop=0.5)]))), tmp_path / "log.vw")


def test_words_zeros_and_empty_contexts() -> None:
    assert write_namespaces({"_text": "two words", "n": 0, "f": False, "_hidden": {"x": 1}}) == "| two words"
    assert write_namespaces({"a": {}}) == ""


@needs_dsjson
@pytest.mark.parametrize("name", ["decisionservice.json", "dsjson_cb.json", "igl.dsjson"])
def test_real_logs_have_their_loss(tmp_path: Path, name: str) -> None:
    export_dsjson(find_log(str(DSJSON / name)), tmp_path / "log.vw")
    text = progressive_loss(f"-d {tmp_path / 'log.vw'} --cb_explore_adf")
    assert text == pytest.approx(progressive_loss(f"--dsjson -d {DSJSON / name} --cb_explore_adf"), rel=1e-5)


@needs_dsjson
def test_text_stays_text(tmp_path: Path) -> None:
    log = DSJSON / "rcv1_raw_cb_small.vw"
    written, _ = export_vw_lines(find_log(str(log)), tmp_path / "log.vw")
    assert written == 1_000
    options = "--cb 2 --ngram 2 --skips 4 --cb_type ips"
    assert progressive_loss(f"-d {tmp_path / 'log.vw'} {options}") == progressive_loss(f"-d {log} {options}")
