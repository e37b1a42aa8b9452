"""Nights that take the log of a decision service: rows, and estimates equal to `ltrr ope`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from ltrr.artifacts.service_version import service_version
from ltrr.bandit.rows import to_bandit_rows
from ltrr.evaluation.judged_impressions import judged_impressions
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.reward_model import fit_reward_model
from ltrr.evaluation.scoring import ALL, sum_by_slice, to_scores
from ltrr.evaluation.service_check import find_wrong_propensities
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.evaluation.training_sums import sum_training_decisions
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from ltrr.ope.estimates import OpeSettings, estimate_log
from ltrr.ope.formats import find_default_columns, read_foreign_log
from ltrr.pipelines.whole_logs import without_thinned_dates
from tests.logs.log_lines import NIGHT, SPACE, write_folder
from tests.logs.service_log import BEST, as_line, observation, service_line
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = [pytest.mark.spark, pytest.mark.long]

NEXT = NIGHT + timedelta(days=1)
WHOLE = 300


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


def with_target(line: dict[str, Any]) -> dict[str, Any]:
    """The line with the probabilities of the plan `BEST`, in the order of `a`, for `ltrr ope`."""
    chosen = SPACE.index(BEST) + 1
    return {**line, "best": [float(action == chosen) for action in line["a"]]}


def thin(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "pdrop": 0.0 if line["_label_cost"] else 0.9}


@pytest.fixture
def home(spark, tmp_path: Path) -> Home:
    """A whole log on the first date, and a thinned one on the second."""
    whole = [with_target(service_line(n)) for n in range(WHOLE)]
    thinned = [thin(service_line(n, NEXT)) for n in range(60)]
    others = [
        *(service_line(1_000 + n, _skipLearn=True) for n in range(7)),
        *(observation(n, f"d{n}-{NIGHT}") for n in range(5)),
        *(observation(n, f"unknown-{n}") for n in range(4)),
        *(service_line(n) for n in range(3)),
    ]
    lines = [as_line(one) for one in (*whole, *others)]
    limits = LogSettings(rejected_share_limit=0.1, volume_factor=10.0)
    home = Home(spark, tmp_path, NIGHT, limits, observe="blind")
    write_folder(home.logs, NIGHT, {"service.json": [*lines, lines[0][:-9]]})
    write_folder(home.logs, NEXT, {"service.json": [as_line(one) for one in thinned]})
    (tmp_path / "whole.json").write_bytes(b"\n".join(as_line(line) for line in whole))
    return home


def test_every_line_is_kept_waits_or_has_a_reason_and_plans_are_judged_as_by_ltrr_ope(spark, home: Home) -> None:
    home.ingest(NIGHT)
    checks = {row.check: row for row in home.rows("data_quality")}
    assert checks["row_balance"].figure == 0.0
    assert len(home.rows("impressions")) == WHOLE
    reasons = Counter(row.reason for row in home.rows("rejected_rows"))
    assert reasons == {"not_activated": 7, "after_label": 5, "duplicate": 3, "truncated_json": 1}
    assert Counter(row.status for row in home.rows("events")) == {"rejected": 5, "waiting": 4}
    assert checks["with_propensities"].figure == 1.0
    assert "thinned_choices" not in checks
    check_the_rows_of_the_tables(home.table("decisions"))
    check_estimates(spark, home)

    home.ingest(NEXT)
    checks = {row.check: row for row in home.rows("data_quality", f"log_date = DATE'{NEXT}'")}
    thinned = sum(service_line(n, NEXT)["_label_cost"] == 0 for n in range(60))
    assert (checks["row_balance"].figure, checks["thinned_choices"].figure) == (0.0, float(thinned))
    dates = {row.log_date for row in home.rows("decisions")}
    kept = {row.log_date for row in without_thinned_dates(home.table("decisions")).collect()}
    assert (dates, kept) == ({NIGHT, NEXT}, {NIGHT})


def check_the_rows_of_the_tables(decisions: DataFrame) -> None:
    found = {row.impression_id: row for row in decisions.collect()}
    for n in range(WHOLE):
        line = service_line(n)
        row = found[line["EventId"]]
        assert (row.logged_reward, row.logging_propensity) == (-line["_label_cost"], line["_label_probability"])
        assert row.action_taken == SPACE.text(line["_labelIndex"])


def raw_ips(plan: str) -> float:
    """Mean of reward / propensity where the plan was taken, from the raw lines alone."""
    lines = [service_line(n) for n in range(WHOLE)]
    taken = [line for line in lines if line["_labelIndex"] == SPACE.index(plan)]
    return sum(-line["_label_cost"] / line["_label_probability"] for line in taken) / WHOLE


def check_estimates(spark, home: Home) -> None:
    version = service_version(home.settings.policy)
    judged = judged_impressions(home.table("decisions"), home.table("slate_rows"), [version])
    judged = judged.selectExpr("*", "0.5D AS query_mean").persist()
    sums = sum_training_decisions(judged, SPACE)
    model = fit_reward_model(SPACE, sums.products.tolist(), EvaluationSettings().ridge)
    policy = JudgedPolicy("best", BEST, SPACE, plan=SPACE.index(BEST))
    total = sum_by_slice(to_scores(judged, [policy], model), ["best"])["all"]
    ips = total.total("best_wr") / total.total("n")

    path = str(home.path / "whole.json")
    columns = replace(find_default_columns(spark, path, "dsjson"), target_propensity="best")
    report = estimate_log(read_foreign_log(spark, path, "dsjson", columns), columns, OpeSettings())
    (by_ope,) = [one for one in report.rows if one["estimator"] == "ips" and one["slice"] == ALL]
    assert ips == pytest.approx(raw_ips(BEST), abs=1e-5)
    assert by_ope["value"] == pytest.approx(ips, abs=1e-5)
    assert ips > 0.35

    rows = to_bandit_rows(
        home.table("decisions"), home.table("slate_rows").selectExpr("*", "1D AS examination"), 0.05
    ).collect()
    assert len(rows) == WHOLE
    rewards = {row.impression_id: (row.found_reward, row.page_reward) for row in rows}
    assert rewards == {
        line["EventId"]: (-line["_label_cost"] + 0.0,) * 2 for line in (service_line(n) for n in range(WHOLE))
    }
    assert find_wrong_propensities(home.table("decisions"), SPACE) == []
    # The same log with the probabilities of the two best plans exchanged.
    swapped = home.table("decisions").selectExpr(
        "* except (action_taken)",
        f"CASE action_taken WHEN '{BEST}' THEN 'memory:2' ELSE action_taken END AS action_taken",
    )
    assert any("memory:2 was chosen" in alarm for alarm in find_wrong_propensities(swapped, SPACE))
