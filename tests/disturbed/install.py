"""Replaces the code that needs Spark, MLflow or a disk with toy jobs and stand-ins."""

from types import SimpleNamespace

from ltrr.artifacts import pointer as pointer_module
from ltrr.artifacts.bundle import publish_bundle, read_bundle
from ltrr.artifacts.store import Store
from ltrr.pipelines import (
    assemble_bundle,
    challenger_review,
    evaluate_policies,
    job_runner,
    night,
    publish_policy,
    ranker_judging,
)
from ltrr.pipelines.night import Night
from ltrr.publishing import by_hand, challenger_rows, release_rows
from ltrr.spark import commits
from ltrr.spark.commits import CommitLog
from tests.disturbed.memory_warehouse import conform_rows
from tests.disturbed.stand_ins import (
    collect_moves,
    estimates_of,
    judge_orders,
    order_judgement,
    read_challengers,
    read_trials,
)
from tests.disturbed.toy_home import Untracked
from tests.disturbed.toy_jobs import TOYS


def install(monkeypatch, current):
    """Install the toy jobs and stand-ins; `current()` returns the home of the process."""
    create, copy = Store.create, Store.copy

    def counted(write):
        def call(store, path, data):
            if not path.startswith(".probe"):
                current().on_write(f"object {path}")
            return write(store, path, data)

        return call

    for module in (publish_policy, evaluate_policies):
        monkeypatch.setattr(module, "collect_moves", collect_moves)
    for module in (challenger_rows, release_rows):
        monkeypatch.setattr(module, "schema_of", lambda declared: declared)
    monkeypatch.setattr(challenger_review, "read_trials", read_trials)
    monkeypatch.setattr(challenger_review, "read_challengers", read_challengers)
    for module in (assemble_bundle, challenger_review, publish_policy):
        monkeypatch.setattr(module, "estimates_of", estimates_of)
    monkeypatch.setattr(ranker_judging, "_compare_orders", judge_orders)
    monkeypatch.setattr(ranker_judging, "_to_judgement", order_judgement)
    # A toy bundle contains no model that can be loaded. Its bytes are checked nevertheless.
    for module in (assemble_bundle, publish_policy):
        monkeypatch.setattr(module, "publish", publish_bundle)
    loads = SimpleNamespace(load=lambda url, version: read_bundle(url.rpartition("/")[0], current().policy, version))
    monkeypatch.setattr(by_hand, "Policy", loads)
    for module in (by_hand, pointer_module):
        monkeypatch.setattr(module, "now", lambda: current().now())
    monkeypatch.setattr(Store, "create", counted(create))
    monkeypatch.setattr(Store, "copy", counted(copy))
    monkeypatch.setattr(job_runner, "Warehouse", lambda spark, root, days: current().warehouse)
    monkeypatch.setattr(job_runner, "load_job", TOYS.__getitem__)
    monkeypatch.setattr(night, "conform", conform_rows)
    monkeypatch.setattr(Night, "tracking", Untracked())
    monkeypatch.setattr(Night, "home", property(lambda at: current()), raising=False)
    # A committed row never changes, so it is parsed once.
    monkeypatch.setattr(commits, "_from_row", lambda row: current().parsed(row))
    monkeypatch.setattr(CommitLog, "commit", lambda log, run: current().commit(log, run))
