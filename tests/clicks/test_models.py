"""The job `fit_click_model` uses the click model that the settings name."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from ltrr.clicks.models import CLICK_MODELS
from ltrr.clicks.settings import ClickSettings
from ltrr.errors import ConfigError
from ltrr.pipelines import fit_click_model
from ltrr.users.settings import UserSettings
from tests.clicks.constant_examination import CONSTANT
from tests.clicks.slates import DAY, slate_rows


class JobNight:
    """Stand-in for a night: it has slates whose users all count, and stores written tables."""

    def __init__(self, spark, settings: ClickSettings) -> None:
        self.spark, self.date, self.first_open = spark, DAY, DAY - timedelta(days=1)
        self.settings = SimpleNamespace(clicks=settings, users=UserSettings())
        self.tables = {
            "slate_rows": spark.createDataFrame(slate_rows(seed=3, impressions=200)),
            "limited_users": spark.createDataFrame([], "log_date date, user_key string, counted_share double"),
        }
        self.notes: dict[str, object] = {}

    def read(self, name):
        return self.tables[name]

    def write(self, name, frame) -> None:
        self.tables[name] = frame

    def note(self, **notes) -> None:
        self.notes |= notes


def run(spark, **settings) -> tuple[JobNight, dict]:
    night = JobNight(spark, ClickSettings(min_linking_pairs=1, **settings))
    fit_click_model.run(night)
    return night, {(row.surface, row.position): row for row in night.tables["examination"].collect()}


@pytest.mark.spark
def test_the_job_fits_the_model_of_the_settings(spark, monkeypatch) -> None:
    monkeypatch.setitem(CLICK_MODELS, "constant", CONSTANT)
    night, rows = run(spark, model="constant")
    shown = [row for (surface, _), row in rows.items() if surface == "search"]
    assert len(shown) == 8
    assert {(row.examination, row.method, row.is_identified) for row in shown} == {(1.0, "constant", True)}
    assert {row.as_of_date for row in shown} == {date(2026, 3, 2)}
    assert night.notes == {"examination_passes": 1, "examination_converged": True}
    # Positions that the model does not reach continue in the shape of the prior.
    assert {row.method for (surface, place), row in rows.items() if (surface, place) == ("*", 9)} == {"prior"}


@pytest.mark.spark
def test_the_default_is_the_position_based_model(spark) -> None:
    _, rows = run(spark)
    assert rows["search", 2].method == "position_based_em"
    assert 0.0 < rows["search", 8].examination < 1.0


def test_an_unknown_model_is_refused_before_anything_is_read() -> None:
    night = SimpleNamespace(settings=SimpleNamespace(clicks=ClickSettings(model="cascade")))
    with pytest.raises(ConfigError, match=r"clicks\.model: expected position_based, got cascade"):
        fit_click_model.run(night)
