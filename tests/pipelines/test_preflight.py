"""Refusals come before Spark starts, with their exit code, and leave no run in MLflow."""

import socket
from datetime import date

import pytest
from mlflow.tracking import MlflowClient

from ltrr.cli.app import main
from ltrr.config import load_settings, write_home_file
from ltrr.errors import LtrrError
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.preflight import check_before_start, check_writable
from ltrr.spark.lease import hold_lease

DAY = date(2026, 3, 2)


@pytest.fixture
def ready_home(home, monkeypatch):
    """A home in which the night of DAY could start; a start of Spark fails."""
    monkeypatch.delenv("LTRR_DEBUG", raising=False)
    monkeypatch.setenv(SECRET_VARIABLE, "a secret")
    monkeypatch.setattr("ltrr.cli.night.build_session", lambda *_: pytest.fail("Spark was started"))
    write_home_file(home, {"history_starts": DAY, "policy": {"name": "search", "strategies": ["a", "b"]}})
    logs = home / "logs" / f"dt={DAY}"
    logs.mkdir(parents=True)
    (logs / "_SUCCESS").touch()
    return home


def no_secret(home, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE)


def no_logs(home, monkeypatch):
    (home / "logs" / f"dt={DAY}").rename(home / "gone")


def open_logs(home, monkeypatch):
    (home / "logs" / f"dt={DAY}" / "_SUCCESS").unlink()


def file_for_a_folder(home, monkeypatch):
    (home / "quarantine").write_text("")


def nothing(home, monkeypatch):
    pass


@pytest.mark.parametrize(
    ("spoil", "more", "code", "sentence"),
    [
        (no_secret, (), 2, SECRET_VARIABLE),
        (no_logs, (), 3, f"the logs of {DAY} are not there"),
        (open_logs, (), 3, f"the logs of {DAY} are not closed"),
        (file_for_a_folder, (), 2, "paths.quarantine"),
        (nothing, ("--set", "paths.tables=s3a://bucket/tables"), 2, "paths.tables"),
        (nothing, ("--set", "paths.policies=/proc/policies"), 2, "paths.policies: /proc"),
        (nothing, ("--set", "history_starts=2026-03-03"), 2, "before the history starts"),
        (nothing, ("--set", "spark.conf={spark.sql.ansi.enabled: 'false'}"), 2, "spark.sql.ansi.enabled"),
    ],
)
@pytest.mark.parametrize("command", [("nightly",), ("job", "ingest_logs")])
def test_a_refusal_comes_before_spark_and_before_mlflow(
    ready_home, monkeypatch, capsys, command, spoil, more, code, sentence
):
    spoil(ready_home, monkeypatch)
    assert main([*command, "--date", f"{DAY}", "--home", str(ready_home), *more]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert [line.startswith("ltrr: ") for line in said.splitlines()] == [True]
    assert not (ready_home / "mlflow.db").exists()


def test_a_live_night_and_a_server_that_is_down_are_waited_for(ready_home, capsys):
    command = ["nightly", "--date", f"{DAY}", "--home", str(ready_home)]
    with hold_lease(ready_home, "another night", tables=str(ready_home / "tables")):
        assert main(command) == 3
    assert "doing another night" in capsys.readouterr().err
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        assert main([*command, "--set", f"tracking.uri=http://127.0.0.1:{held.getsockname()[1]}"]) == 3
    assert "MLflow does not answer" in capsys.readouterr().err


def test_a_night_that_may_start_passes_and_leaves_no_run(ready_home):
    settings = load_settings(ready_home)
    check_before_start(settings, DAY)
    tracking = settings.tracking.under(ready_home)
    client = MlflowClient(tracking_uri=tracking.uri)
    experiment = client.get_experiment_by_name(tracking.experiment)
    assert client.search_runs([experiment.experiment_id]) == []


def test_a_job_that_reads_no_logs_needs_neither_them_nor_the_secret(ready_home, monkeypatch):
    no_secret(ready_home, monkeypatch)
    no_logs(ready_home, monkeypatch)
    check_before_start(load_settings(ready_home), DAY, "build_memory")


def test_a_full_disk_is_named_with_its_setting(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LtrrError, match=rf"a disk is full: paths\.tables: {tmp_path}") as caught:
        check_writable("paths.tables", str(tmp_path / "tables"))
    assert caught.value.exit_code == 1
