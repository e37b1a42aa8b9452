"""`ltrr simulate`: it makes a folder a home with logs; later dates use the published policy."""

import json

import pytest

from ltrr.artifacts.bundle import pointers
from ltrr.cli import main
from ltrr.config import load_settings


@pytest.fixture(autouse=True)
def _small_world(monkeypatch, music):
    def build(choice, cache_folder):
        return music

    monkeypatch.setattr("ltrr.cli.simulate.build_world", build)


def test_a_folder_becomes_a_home_with_logs(home, capsys, music) -> None:
    for date in ("2026-03-02", "2026-03-03"):
        main(["simulate", "--date", date, "--home", str(home), "--impressions", "50", "--json"])
        [row] = json.loads(capsys.readouterr().out)
        assert (row["day"], row["impressions"]) == (date, 50)
        assert (home / "logs" / f"dt={date}" / "_SUCCESS").exists()
    settings = load_settings(home)
    assert settings.policy.strategies == music.strategies
    assert str(settings.first_date) == "2026-03-02"
    [first] = pointers(settings.paths.policies, settings.policy.name)
    assert first.version == row["version"]


def test_a_closed_day_is_the_users_mistake(home, capsys) -> None:
    day = ["simulate", "--date", "2026-03-02", "--home", str(home)]
    assert main([*day, "--impressions", "50"]) == 0
    assert main([*day, "--impressions", "50"]) == 0
    assert main([*day, "--impressions", "51"]) == 2
    assert "the logs of a closed day would change" in capsys.readouterr().err
