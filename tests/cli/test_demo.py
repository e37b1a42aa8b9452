"""`ltrr demo` in a pipe: plain lines of at most 80 columns, from ltrr alone."""

import json

import pytest

from ltrr.cli import main
from ltrr.demo.loop import SERVE
from ltrr.pipelines.jobs import JOBS
from tests.demo.test_summary import REPORTS, order, truth


@pytest.fixture
def small_demo(monkeypatch):
    """A demo with given nights, world and true values."""
    from ltrr.simulation.music import music_world

    world = music_world(artists=20, queries=60, semantic=False)

    def run_nights(world, settings, spark, *, nights, impressions, seed, watcher):
        for report in REPORTS[:nights]:
            for step in (SERVE, *JOBS):
                watcher.start_step(step, report.day)
                watcher.end_step(step, report.day, 70.0)
            yield report

    monkeypatch.setattr("ltrr.cli.demo.build_world", lambda *_: world)
    monkeypatch.setattr("ltrr.cli.demo.build_session", lambda *_: None)
    monkeypatch.setattr("ltrr.cli.demo.run_nights", run_nights)
    monkeypatch.setattr("ltrr.cli.demo.truth_table", lambda *_, **__: truth())
    monkeypatch.setattr("ltrr.cli.demo.ranker_table", lambda *_: [order(-0.06, -0.04)])
    monkeypatch.delenv("LTRR_USER_KEY_SECRET", raising=False)


def test_it_reads_well_in_a_pipe(small_demo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--home", "h", "--nights", "2"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    commands = [line for line in out.splitlines() if line.startswith(("  /", "  .venv"))]
    assert [len(line) for line in (out + err).splitlines() if len(line) > 80 and line not in commands] == []
    assert "night 1 of 2, ingest_logs: 1 min 10 s, 7 jobs left" in err.splitlines()
    assert "night 2 of 2, publish_policy: 1 min 10 s, done" in err.splitlines()
    assert [line.split()[0] for line in err.splitlines() if line.startswith("  ")] == [
        "served",
        "learned",
        "decided",
    ] * 2
    assert "The served order is worse than rank fusion on head queries" in out
    assert (tmp_path / "h" / "demo-report.txt").exists()
    assert "Done in 0 s. All figures and reasons: h/demo-report.txt" in out


def test_its_json_has_every_figure(small_demo, tmp_path, capsys):
    assert main(["demo", "--home", str(tmp_path / "h"), "--nights", "1", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert [night["day"] for night in outcome["nights"]] == ["2026-03-02"]
    assert {"world", "policy_version", "regret", "truth", "ranker", "seconds"} <= outcome.keys()
