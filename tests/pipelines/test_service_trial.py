"""Real nights over the log of a decision service: the bandit is trained on it, and judged."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import home_layer, load_settings, write_home_file
from ltrr.core.hashing import user_fold, user_key
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, STATIC
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.runner import run_nightly
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.logs.log_lines import NIGHT, SPACE, write_folder
from tests.logs.service_log import as_line, service_line
from tests.pipelines.ingest_nights import SECRET

pytestmark = [pytest.mark.spark, pytest.mark.long]

SEARCHES, HELD_OUT_PERCENT = 300, 30
DATES = [NIGHT + timedelta(days=age) for age in range(3)]


def fold_of(number: int) -> int:
    return user_fold(user_key(SECRET, service_line(number)["c"]["user"]))


def test_the_bandit_learns_from_the_service_and_is_judged_on_its_later_dates(
    spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    policy = PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget, observe="blind")
    write_home_file(
        tmp_path,
        {**home_layer(policy, NIGHT), "evaluation": {"held_out_percent": HELD_OUT_PERCENT}},
    )
    settings = load_settings(tmp_path)
    publish_first_champion(settings.paths.policies, policy, NIGHT)
    notes = {}
    for day in DATES:
        lines = [as_line(service_line(n, day)) for n in range(SEARCHES)]
        write_folder(Path(settings.paths.logs), day, {"service.json": lines})
        notes[day] = {run.job: run.notes for run in run_nightly(spark, settings, day)}

    # Dates close a night later: on the second night, the first date trains and begins a trial.
    training = sum(fold_of(n) >= HELD_OUT_PERCENT for n in range(SEARCHES))
    assert int(notes[DATES[1]]["train_bandit"]["decisions"]) == training
    assert notes[DATES[2]]["evaluate_policies"]["challenger"]
    estimates = Warehouse(spark, settings.paths.tables).read(table("ope_estimates"))
    whole = estimates.where("slice = 'all' AND estimator = 'dr'").collect()
    values = {(row.as_of_date, row.judged_on, row.policy): row for row in whole}
    reported = values[DATES[1], "held_out", CANDIDATE]
    assert reported.impressions == SEARCHES - training
    # The life of the challenger is the second date, with all its users.
    life = values[DATES[2], "life", CHALLENGER]
    assert life.impressions == SEARCHES
    # Uniform over the plans a search earns .3; the best plan of its query .8.
    assert 0.3 < life.value < 0.9
    assert values[DATES[1], "held_out", STATIC].value > 0.3
