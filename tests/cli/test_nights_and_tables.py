"""The command line: results on stdout, and one sentence and an exit code for a fault."""

import json
import re
from types import SimpleNamespace

import pytest
from pyspark.errors import PySparkException

from ltrr.cli import main, run_job
from ltrr.config import write_home_file
from ltrr.pipelines import job_runner
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from tests.pipelines.toy_jobs import FIRST, TOYS, toy_settings

DATE = FIRST.isoformat()


@pytest.fixture
def toy_home(spark, home, monkeypatch):
    """A home whose eight jobs are toys."""
    monkeypatch.setattr(job_runner, "load_job", TOYS.__getitem__)
    # Toys need no secret, no logs and no MLflow; tests/pipelines/test_preflight.py has the checks.
    monkeypatch.setattr("ltrr.cli.night.check_before_start", lambda *_: None)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    monkeypatch.delenv("LTRR_DEBUG", raising=False)
    write_home_file(home, {"history_starts": FIRST, "policy": {"name": "toy", "strategies": ["a", "b"]}})
    toy_settings(home, {1: 2})
    return home


def said(capsys, *arguments):
    """Exit code, stdout and stderr of one command."""
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_a_night_and_what_it_left(toy_home, capsys, tmp_path):
    code, out, err = said(capsys, "nightly", "--date", DATE, "--home", toy_home, "--json")
    assert code == 0
    assert [(run["job"], run["attempt"]) for run in json.loads(out)] == [(job, 1) for job in JOBS]
    starts, ends = err.splitlines()[::2], err.splitlines()[1::2]
    assert starts == [f"{DATE} {job}" for job in JOBS], "progress goes to stderr, a line when a job starts"
    left = [f"{7 - number} job{'s' if number < 6 else ''} left" for number in range(7)] + ["done"]
    for line, job, rest in zip(ends, JOBS, left, strict=True):
        assert re.fullmatch(rf"{DATE} {job}: \d+ s, {rest}", line), "and a line with its time and what is left"

    # Java was started before, with the umask of the tests. A setting of Hadoop closes its files.
    written = [path for path in (toy_home / "tables").rglob("*") if path.name != ".lease"]
    assert written
    assert [path for path in written if path.stat().st_mode & 0o077] == []

    _, digests, _ = said(capsys, "tables", "digest", "--home", toy_home)
    assert run_job("ingest_logs", ["--date", DATE, "--home", str(toy_home)]) == 0
    assert "ingest_logs" in capsys.readouterr().out
    assert said(capsys, "tables", "digest", "--home", toy_home) == (0, digests, "")

    _, out, _ = said(
        capsys, "tables", "show", "job_runs", "--home", toy_home, "--json", "--where", "job = 'ingest_logs'"
    )
    assert [row["attempt"] for row in json.loads(out)] == [1, 2]
    code, out, _ = said(capsys, "tables", "list", "--home", toy_home, "--json")
    assert {row["table"]: row["rows"] for row in json.loads(out)}["data_quality"] == 1

    other = tmp_path / "other"
    other.mkdir()
    write_home_file(other, {"history_starts": FIRST, "policy": {"name": "toy", "strategies": ["a", "b"]}})
    toy_settings(other, {1: 3})
    assert main(["job", "ingest_logs", "--date", DATE, "--home", str(other)]) == 0
    capsys.readouterr()
    code, out, _ = said(
        capsys, "tables", "compare", other, "data_quality", "rejected_rows", "--home", toy_home, "--json"
    )
    assert code == 1, "they differ"
    assert [(row["table"], row["in both"], row["different"]) for row in json.loads(out)] == [
        ("data_quality", 1, 1),
        ("rejected_rows", 1, 0),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("nightly", "--date", "2026-03-02"), 2, "run `ltrr nightly --date 2026-03-01` first"),
        (("job", "fit_click_model", "--date", DATE), 2, "run `ltrr job ingest_logs --date 2026-03-01`"),
        (("job", "fit_clicks", "--date", DATE), 2, "unknown job"),
        (("nightly", "--date", "yesterday"), 2, "expected YYYY-MM-DD, got 'yesterday'"),
        (("nightly", "--date", DATE, "--set", "logs.late=3"), 2, "got logs.late"),
        (("tables", "show", "impresions"), 2, "got impresions"),
        (("tables", "show", "events", "--columns", "at,on"), 2, "got on"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(toy_home, capsys, arguments, code, sentence):
    got, out, err = said(capsys, *arguments, "--home", toy_home)
    last = err.splitlines()[-1]
    assert (got, out) == (code, "")
    assert sentence in last
    assert last.startswith("ltrr: ")
    assert "Traceback" not in err


def test_a_home_that_is_not_there_is_not_made_by_a_typing_mistake(capsys, tmp_path):
    code, _, err = said(capsys, "nightly", "--date", DATE, "--home", tmp_path / "hoem")
    assert (code, (tmp_path / "hoem").exists()) == (2, False)
    assert "there is no such home" in err


def test_a_fault_of_spark_is_one_sentence_and_its_traceback_is_there_for_the_asking(toy_home, capsys, monkeypatch):
    def fail(night):
        raise PySparkException("executor lost\n\tat org.apache.spark.Something", errorClass=None, messageParameters={})

    monkeypatch.setitem(TOYS, "ingest_logs", fail)
    command = ("job", "ingest_logs", "--date", DATE, "--home", str(toy_home))
    code, _, err = said(capsys, *command)
    assert code == 1
    assert "executor lost" in err
    assert "org.apache" not in err
    monkeypatch.setenv("LTRR_DEBUG", "")
    with pytest.raises(Exception, match="executor lost"):
        main(["--debug", *command])


@pytest.mark.spark
def test_doctor_says_what_is_missing_line_by_line(capsys, home, monkeypatch):
    monkeypatch.setenv("LTRR_USER_KEY_SECRET", "of these tests, and long enough")
    code, out, _ = said(capsys, "doctor", "--home", home / "new", "--json")
    assert (code, {row["verdict"] for row in json.loads(out)}) == (0, {"ok"})
    monkeypatch.delenv("LTRR_USER_KEY_SECRET")
    code, out, _ = said(capsys, "doctor", "--home", home / "new")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines() if "missing" in line] == ["secret"]
    assert not (home / "new").exists(), "looking leaves nothing behind"


@pytest.mark.parametrize("command", ["nightly", "job", "tables", "doctor", "demo", "policies"])
def test_every_command_explains_itself(capsys, command):
    code, out, _ = said(capsys, command, "--help")
    assert code == 0
    assert "Usage" in out
