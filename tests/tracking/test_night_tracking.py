"""A night in MLflow: runs are found by tags, nested, superseded and closed."""

import logging
import pickle
import shutil
import socket
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mlflow.tracking import MlflowClient

from ltrr.errors import CommitError, ConfigError, LtrrError, NotReadyError
from ltrr.tracking.home import HOME_ID_FILE, read_home_id
from ltrr.tracking.night import NightTracking
from ltrr.tracking.run import TrackedRun
from ltrr.tracking.settings import TrackingSettings
from ltrr.tracking.store import guard_client

DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for the module, because its tables take time; an experiment for each test."""
    return TrackingSettings().under(tmp_path_factory.mktemp("home"))


@pytest.fixture
def settings(store, request):
    return TrackingSettings(uri=store.uri, artifacts=store.artifacts, experiment=request.node.name)


@pytest.fixture
def client(store):
    return MlflowClient(tracking_uri=store.uri)


def open_night(settings, day, job, *, create_parent, home=None, policy="search"):
    home = home or Path(settings.uri.removeprefix("sqlite:///")).parent
    return NightTracking.open(settings, day, job, create_parent=create_parent, home=home, policy=policy)


def runs_of(client, settings):
    experiment = client.get_experiment_by_name(settings.experiment)
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def test_a_night_is_one_tree_of_runs_with_settings_and_findings(settings, client, tmp_path):
    open_night(settings, DAY, "ingest_logs", create_parent=True)
    for job in ("train_bandit", "publish_policy"):
        night = open_night(settings, DAY, job, create_parent=False)
        with night.run(job) as run:
            run.params({"window_nights": 14, "strategies": ("title", "memory")})
            run.metrics({"progressive_loss": -0.25, "undefined": float("nan")})
            run.artifact_bytes("bandit.vw", b"\x00model")
            run.artifact_json("verdict.json", {"b": DAY, "a": 1})
            run.tags({"policy_version": "2026-03-02-abc"})
    parent, bandit, publish = runs_of(client, settings)
    assert [run.info.run_name for run in (parent, bandit, publish)] == [
        "nightly 2026-03-02",
        "train_bandit 2026-03-02",
        "publish_policy 2026-03-02",
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in (bandit, publish)} == {parent.info.run_id}
    assert {run.info.status for run in (parent, bandit, publish)} == {"FINISHED"}
    assert parent.data.params == {"date": "2026-03-02", "night_attempt": "1"}
    assert bandit.data.params == {"window_nights": "14", "strategies": "('title', 'memory')"}
    assert bandit.data.metrics["progressive_loss"] == -0.25
    assert bandit.data.metrics["undefined"] != bandit.data.metrics["undefined"]
    assert {file.path for file in client.list_artifacts(bandit.info.run_id)} == {"bandit.vw", "verdict.json"}
    downloaded = client.download_artifacts(bandit.info.run_id, "bandit.vw", str(tmp_path))
    assert Path(downloaded).read_bytes() == b"\x00model"


def test_the_night_stays_open_until_its_last_job_is_done(settings, client):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with night.run("train_bandit"):
        pass
    assert client.get_run(night.night_run_id).info.status == "RUNNING"
    with night.run("publish_policy"):
        pass
    assert client.get_run(night.night_run_id).info.status == "FINISHED"


def test_a_rerun_supersedes_the_old_run_and_joins_the_latest_attempt(settings, client):
    first = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with first.run("train_bandit") as old:
        pass
    second = open_night(settings, DAY, "ingest_logs", create_parent=True)
    alone = open_night(settings, DAY, "train_bandit", create_parent=False)
    assert alone.night_run_id == second.night_run_id != first.night_run_id
    with alone.run("train_bandit") as new:
        pass
    assert client.get_run(first.night_run_id).data.tags["superseded"] == second.night_run_id
    assert client.get_run(old.run_id).data.tags["superseded"] == new.run_id
    assert "superseded" not in client.get_run(new.run_id).data.tags
    assert client.get_run(second.night_run_id).data.tags["ltrr.night_attempt"] == "2"
    # Runs of another date are no predecessors.
    other = open_night(settings, date(2026, 3, 3), "ingest_logs", create_parent=True)
    assert client.get_run(other.night_run_id).data.tags["ltrr.night_attempt"] == "1"
    assert "superseded" not in client.get_run(second.night_run_id).data.tags


def test_a_lone_rerun_of_a_finished_night_leaves_it_finished(settings, client):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with night.run("publish_policy"):
        pass
    with open_night(settings, DAY, "train_bandit", create_parent=False).run("train_bandit"):
        assert client.get_run(night.night_run_id).info.status == "RUNNING"
    assert client.get_run(night.night_run_id).info.status == "FINISHED"


def test_a_failing_job_fails_its_run_and_the_night(settings, client):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with pytest.raises(ValueError, match="no rows"), night.run("train_bandit") as run:
        raise ValueError("no rows")
    assert client.get_run(run.run_id).info.status == "FAILED"
    assert client.get_run(night.night_run_id).info.status == "FAILED"


def test_what_a_killed_process_left_running_is_closed_as_killed(settings, client):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    never_left = night.run("train_bandit")
    orphan = never_left.__enter__()
    theirs = client.create_run(client.get_experiment_by_name(settings.experiment).experiment_id)
    open_night(settings, DAY, "train_ranker", create_parent=False)
    assert client.get_run(orphan.run_id).info.status == "RUNNING"  # another job's, perhaps alive
    open_night(settings, DAY, "train_bandit", create_parent=False)
    assert client.get_run(orphan.run_id).info.status == "KILLED"
    open_night(settings, DAY, "ingest_logs", create_parent=True)
    assert client.get_run(night.night_run_id).info.status == "KILLED"
    assert client.get_run(theirs.info.run_id).info.status == "RUNNING"  # a foreign run in our experiment


def test_a_job_without_a_night_names_the_job_to_run(settings):
    with pytest.raises(CommitError, match="ltrr job ingest_logs --date 2026-03-02"):
        open_night(settings, DAY, "train_bandit", create_parent=False)


def test_a_store_that_does_not_answer_stops_the_job_at_once():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        uri = f"http://me:hunter2@127.0.0.1:{held.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(NotReadyError, match="MLflow does not answer") as caught:
            open_night(TrackingSettings(uri=uri), DAY, "publish_policy", create_parent=False)
    assert time.monotonic() - began < 30
    assert "hunter2" not in str(caught.value)


def test_a_deleted_experiment_is_named(settings, client):
    open_night(settings, DAY, "ingest_logs", create_parent=True)
    client.delete_experiment(client.get_experiment_by_name(settings.experiment).experiment_id)
    with pytest.raises(LtrrError, match="mlflow experiments restore"):
        open_night(settings, DAY, "ingest_logs", create_parent=True)


def test_executors_cannot_log(settings):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with pytest.raises(LtrrError, match="cannot leave the driver"):
        pickle.dumps(night)


@pytest.mark.parametrize("other", [{"policy": "films"}, {"home": "another"}])
def test_nights_of_other_homes_and_policies_are_not_joined_superseded_or_closed(settings, client, tmp_path, other):
    other = {name: tmp_path / value if name == "home" else value for name, value in other.items()}
    ours = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with ours.run("train_bandit") as run:
        theirs = open_night(settings, DAY, "ingest_logs", create_parent=True, **other)
        assert client.get_run(run.run_id).info.status == "RUNNING"
    assert "superseded" not in client.get_run(ours.night_run_id).data.tags
    assert client.get_run(theirs.night_run_id).data.tags["ltrr.night_attempt"] == "1"
    assert open_night(settings, DAY, "train_ranker", create_parent=False).night_run_id == ours.night_run_id
    assert open_night(settings, DAY, "train_ranker", create_parent=False, **other).night_run_id == theirs.night_run_id
    # Also in the other direction: our rerun does not close their running night.
    open_night(settings, DAY, "ingest_logs", create_parent=True)
    assert client.get_run(theirs.night_run_id).info.status == "RUNNING"


def test_a_home_keeps_its_identity_where_it_is_mounted_and_a_copy_gets_its_own(home, tmp_path):
    identity = read_home_id(home)
    assert read_home_id(home) == identity
    mounted = tmp_path / "mounted elsewhere"
    mounted.symlink_to(home)
    assert read_home_id(mounted) == identity
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    assert read_home_id(copy) not in {identity, ""}
    assert read_home_id(copy) == read_home_id(copy)
    moved = home.rename(tmp_path / "moved")
    assert read_home_id(moved) == identity
    (moved / HOME_ID_FILE).write_text("{")
    with pytest.raises(ConfigError, match="identity of the home cannot be read"):
        read_home_id(moved)


@pytest.mark.parametrize(("fault", "status"), [(ValueError("no rows"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_refused_attempt_leaves_no_night_running(settings, client, fault, status):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    night.end(fault)
    assert client.get_run(night.night_run_id).info.status == status


@contextmanager
def broken_table(settings, name):
    """The store without one of its tables, as after a failure in the middle of a job."""
    with closing(sqlite3.connect(settings.uri.removeprefix("sqlite:///"), isolation_level=None)) as database:
        database.execute(f"ALTER TABLE {name} RENAME TO gone")
        try:
            yield
        finally:
            database.execute(f"ALTER TABLE gone RENAME TO {name}")


def test_a_database_that_another_process_holds_is_not_ready(settings, monkeypatch):
    monkeypatch.setattr("ltrr.tracking.store._SQLITE_SECONDS", 0.1)
    open_night(settings, DAY, "ingest_logs", create_parent=True)
    with closing(sqlite3.connect(settings.uri.removeprefix("sqlite:///"), isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReadyError, match=r"nothing is published untracked.*database is locked"):
            open_night(settings, DAY, "train_bandit", create_parent=False)


def test_a_store_that_fails_in_the_middle_of_a_job_is_one_sentence_and_not_ready(settings, capfd):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with (
        broken_table(settings, "metrics"),
        pytest.raises(NotReadyError, match=r"nothing is published untracked.*no such table: .*metrics"),
    ):
        night.night_run().metrics({"loss": 1.0})
    assert "Traceback" not in capfd.readouterr().err


def test_a_job_keeps_its_own_fault_when_the_store_fails_with_it(settings, caplog):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)

    def fail_with_the_store(store):
        with night.run("train_bandit"):
            store.enter_context(broken_table(settings, "runs"))
            raise ValueError("no rows")

    with ExitStack() as store, pytest.raises(ValueError, match="no rows"):
        fail_with_the_store(store)
    assert "stay RUNNING until the next night" in caplog.text


def test_a_value_that_the_store_refuses_is_the_same_error(settings):
    night = open_night(settings, DAY, "ingest_logs", create_parent=True)
    with pytest.raises(NotReadyError, match="nothing is published untracked"):
        night.night_run().params({"name" * 100: 1})


@pytest.fixture
def own_store(tmp_path):
    """A store of its own, which a test may damage."""
    settings = TrackingSettings().under(tmp_path)
    return settings, open_night(settings, DAY, "ingest_logs", create_parent=True), tmp_path / "mlflow.db"


def lock(database, store):
    held = store.enter_context(closing(sqlite3.connect(database, isolation_level=None)))
    held.execute("BEGIN IMMEDIATE")


MIDDLE = {
    "gone": (lambda database, _: database.unlink(), "the file is gone"),
    "damaged": (lambda database, _: database.write_bytes(b"no database" * 1_000), "file is not a database"),
    "no artifacts": (lambda database, _: (database.parent / "mlartifacts").write_text("a file"), "mlartifacts"),
    "locked": (lock, "database is locked"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "locked" else ()) for name in MIDDLE]
)
def test_a_fault_of_the_store_between_two_writes_is_one_sentence_with_exit_code_3(own_store, name, capfd, monkeypatch):
    # Tests of commands leave handlers that write to streams of the past.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    _, night, database = own_store
    break_store, message = MIDDLE[name]

    def write_before_and_after(store):
        with night.run("train_bandit") as run:
            run.metrics({"before": 1.0})
            break_store(database, store)
            run.artifact_json("notes.json", {"a": 1})
            run.metrics({"after": 1.0})

    with ExitStack() as store, pytest.raises(NotReadyError, match=message) as refused:
        write_before_and_after(store)
    assert "nothing is published untracked" in str(refused.value)
    assert refused.value.exit_code == 3
    assert "Traceback" not in capfd.readouterr().err


def test_texts_of_users_can_be_tracked(own_store):
    _, night, _ = own_store
    with night.run("train_bandit") as run:
        run.params({"query": "party \ud83d"})
        run.tags({"query": "party \ud83d"})
        run.artifact_json("queries.json", ["party \ud83d"])


@contextmanager
def server(body, status, seconds):
    """A server that answers every request with this body, status and delay."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(seconds)
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    ("body", "status", "seconds"), [(b"<html>log in</html>", 200, 0), (b"bad gateway", 502, 0), (b"{}", 200, 2)]
)
def test_a_server_that_stops_answering_in_mid_night_is_the_same_sentence(monkeypatch, body, status, seconds):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with server(body, status, seconds) as uri:
        run = TrackedRun(guard_client(MlflowClient(tracking_uri=uri), uri), "run")
        with pytest.raises(NotReadyError, match="nothing is published untracked"):
            run.metrics({"loss": 1.0})
