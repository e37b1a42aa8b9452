"""Faults that the random steps found, each with the few steps that reproduce it."""

import pytest

from ltrr.pipelines.runner import run_nightly
from ltrr.tables.catalog import table
from tests.disturbed.install import install
from tests.disturbed.machine import DisturbedHome
from tests.disturbed.stand_ins import SPARK, read_challengers
from tests.disturbed.toy_home import DAY, FIRST


@pytest.fixture
def machine(monkeypatch):
    """State machine of a home."""
    install(monkeypatch, lambda: DisturbedHome.current)
    machine = DisturbedHome()
    yield machine
    machine.check_laws()
    machine.teardown()


def test_a_trial_that_is_promoted_stays_on_the_page_of_its_night(machine):
    home = machine.home
    for number in range(12):
        day = FIRST + number * DAY
        home.logs[day] = ((day, 3 + number), (day - DAY, 2))
        run_nightly(SPARK, home.settings, day)
        rows = home.warehouse.read(table("challengers"))
        page = read_challengers(rows, day)
        promoted = home.log.run("publish_policy", day).notes["outcome"] == "promote"
        assert promoted == any((one.outcome, one.ended, one.kind) == ("promote", day, "bandit") for one in page)
    ends = {one["outcome"] for one in home.warehouse.read(table("challengers")) if one["kind"] == "bandit"}
    assert "promote" in ends, "no trial was promoted in these nights"


@pytest.mark.parametrize("place", range(14, 28))
def test_each_pointer_has_one_row_if_a_person_promotes_the_version_of_the_running_night(machine, place):
    machine.a_person_acts_during_the_night(amount=0, late=0, place=place, who="promote", kill=None)
    rows = [row for row in machine.home.warehouse.read(table("releases")) if row["sequence"] is not None]
    assert len({row["sequence"] for row in rows}) == len(rows)
