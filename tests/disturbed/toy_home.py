"""A home in memory: toy jobs, the real commit, staleness, runner, pointer, book and alpha code, and its disturbances.

Tables are in a `MemoryWarehouse`, policies on fsspec's memory file system. Where real code asks Spark for rows that fit
one page, the stand-ins below ask the memory warehouse: `collect_moves`, `read_challengers`, `read_trials` and
`estimates_of` select the same rows.
"""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec

from ltrr.artifacts import pointer as pointer_module
from ltrr.artifacts.bundle import BANDIT, publish_bundle, read_bundle, read_manifest
from ltrr.artifacts.payloads import put_payload
from ltrr.artifacts.pointer import open_policy, pointer_at
from ltrr.artifacts.store import Store
from ltrr.config import Settings, load_settings
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.verdict import TRUST
from ltrr.evaluation.canary import BY_USER, CANARY, canary_life
from ltrr.evaluation.estimates import HELD_OUT, LIFE, REWARD, difference_of
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION
from ltrr.evaluation.scoring import ALL
from ltrr.pipelines import (
    assemble_bundle,
    challenger_review,
    evaluate_policies,
    job_runner,
    night,
    publish_policy,
    ranker_judging,
)
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import IngestNotes
from ltrr.publishing import by_hand, challenger_rows, release_rows
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.publishing.gate import Judgement
from ltrr.publishing.moves import champion_of, moves_of
from ltrr.publishing.ranker_gate import MEASURE
from ltrr.publishing.release import unrecorded
from ltrr.publishing.trials import FrozenBandit, current_trial
from ltrr.spark import commits
from ltrr.spark.commits import CommitLog
from tests.disturbed.memory_warehouse import Killed, MemoryRows, MemoryWarehouse, conformed

FIRST = date(2026, 3, 1)
DAY = timedelta(days=1)
POLICIES = ("toy", "other")
GATE = "gate={life_nights: 3, budget_nights: 8, least_evidence: 20.0, least_sample: 20.0, least_users: 20}"
# Last bits differ from attempt to attempt, as sums of doubles do in Spark.
NOISE = 1e-13


class Untracked:
    """MLflow, for a job that only tells it things."""

    night_run_id = "untracked"

    @contextmanager
    def run(self, name):
        yield self

    def night_run(self):
        return self

    def __getattr__(self, name):
        return lambda *given: None


@cache
def settings_of(home: Path, root: str, policy: str, late_days: int, least: float) -> Settings:
    """Settings of a toy home. `late_days` scales the toy curve; `least` is a floor of the gate."""
    gate = GATE.replace("least_evidence: 20.0", f"least_evidence: {least}")
    told = [f"policy={{name: {policy}, strategies: [a, b]}}", f"history_starts={FIRST}", f"logs.late_days={late_days}"]
    return load_settings(home, None, [*told, gate, f"paths.policies={root}"])


@dataclass
class Took:
    """What a committed run took from outside of the home: the law's only input."""

    lines: tuple[tuple[date, int], ...]
    late_days: int
    policy: str


@dataclass
class ToyHome:
    """One home and the world around it.

    Attributes:
        folder: of the lease.
        logs: date -> lines of its folder: (date that the line is about, amount).
        took: (job, date) -> what the latest committed run took.
        kill_at: number of the write before which the process dies; None: it lives.
        person_at: number of the write before which a person acts, and what the person does.
    """

    folder: Path
    warehouse: MemoryWarehouse = field(default_factory=MemoryWarehouse)
    root: str = field(default_factory=lambda: f"memory://{uuid.uuid4().hex}/policies")
    policy: str = POLICIES[0]
    late_days: int = 7
    least: float = 20.0
    logs: dict[date, tuple[tuple[date, int], ...]] = field(default_factory=dict)
    took: dict[tuple[str, date], Took] = field(default_factory=dict)
    kill_at: int | None = None
    person_at: tuple[int, Any] | None = None
    on_commit: Any = lambda run, followed: None
    writes: int = 0
    runs: dict[tuple, Any] = field(default_factory=dict)
    ticks: int = 0

    def __post_init__(self):
        self.warehouse.on_write = self.on_write
        self.warehouse.spark = SPARK

    def begin(self):
        """Publish a first champion of each policy."""
        for policy in POLICIES:
            publish_first_champion(self.root, settings_of(self.folder, self.root, policy, 7, 20.0).policy, FIRST)

    @property
    def settings(self) -> Settings:
        return settings_of(self.folder, self.root, self.policy, self.late_days, self.least)

    @property
    def log(self) -> CommitLog:
        """The log of commits, read anew."""
        return CommitLog(self.warehouse)

    def on_write(self, what):
        """Count a write; the process dies or a person acts before the one that was drawn."""
        self.writes += 1
        if self.person_at and self.writes == self.person_at[0]:
            act, self.person_at = self.person_at[1], None
            kill_at, self.kill_at = self.kill_at, None
            act()
            self.kill_at = kill_at
        if self.kill_at is not None and self.writes >= self.kill_at:
            raise Killed(what)

    def now(self) -> str:
        """A clock that never shows the same time twice."""
        self.ticks += 1
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(milliseconds=self.ticks)
        return f"{at.isoformat(timespec='milliseconds')}+00:00"

    def run(self, act, kill_at=None, person_at=None):
        """Run jobs, and remember what each committed one took. False where the process died."""
        self.writes, self.kill_at, self.person_at = 0, kill_at, person_at
        try:
            act()
        except Killed:
            return False
        finally:
            self.kill_at = self.person_at = None
        return True

    def commit(self, log, run):
        """Commit as the real log does, and remember what the run took."""
        followed = log.run(run.job, run.run_date + DAY) is not None
        COMMIT(log, run)
        lines = self.logs.get(run.run_date, ()) if run.job == JOBS[0] else ()
        self.took[run.job, run.run_date] = Took(lines, self.late_days, self.policy)
        self.on_commit(run, followed)

    def parsed(self, row):
        """A row of `job_runs` as the real log parses it."""
        key = row.job, row.run_date, row.attempt
        if key not in self.runs:
            self.runs[key] = FROM_ROW(row)
        return self.runs[key]

    def moves(self, policy=None):
        """Moves of the pointer of a policy."""
        return collect_moves(self.warehouse.read(release_rows.RELEASES), self.root, policy or self.policy)

    def record(self, release):
        """The row of what a person did, as the command line writes it."""
        if release is not None:
            others = [row for row in unrecorded(self.moves(), None) if row.sequence != release.sequence]
            release_rows.append_releases(self.warehouse, self.policy, [*others, release])

    def end(self):
        """Remove what is in memory."""
        files = fsspec.filesystem("memory")
        files.rm(self.root.removeprefix("memory:/").removesuffix("/policies"), recursive=True)


COMMIT, FROM_ROW, JUDGEMENT = CommitLog.commit, commits._from_row, ranker_judging._judgement
SPARK = SimpleNamespace(
    catalog=SimpleNamespace(clearCache=lambda: None),
    sparkContext=SimpleNamespace(setJobDescription=lambda text: None),
    createDataFrame=lambda rows, schema: MemoryRows(rows),
)


def monday(day: date) -> date:
    """First date of a week."""
    return day - timedelta(days=day.weekday())


def ingest_logs(at):
    """Figures of the two open dates: the date's own lines, and late ones added to the date before."""
    lines = at.home.logs.get(at.date, ())
    figures = {row["log_date"]: row["figure"] for row in at.read_own_previous("data_quality")}
    open_dates = [day for day in (at.date - DAY, at.date) if day >= FIRST]
    rows = []
    for day in open_dates:
        figure = figures.get(day, 0.0) + sum(amount for about, amount in lines if about == day)
        said = {"check": "figure", "limit": None, "verdict": "reported", "detail": "toy"}
        rows.append({"log_date": day, "figure": float(figure), **said})
    at.write(
        "data_quality", MemoryRows(rows), f"log_date >= DATE'{open_dates[0]}' AND log_date <= DATE'{open_dates[-1]}'"
    )
    said = {"reason": "unreadable", "detail": "", "format": "foreign", "line_hash": "00", "excerpt": "{"}
    rejected = [
        {"source": "d", "offset": number, "settled_date": at.date, **said}
        for number, (_, amount) in enumerate(lines)
        if amount % 5 == 0
    ]
    at.write("rejected_rows", MemoryRows(rejected))
    at.note(lines=len(lines), impressions=0)


def fit_click_model(at):
    """A derived double of all figures, with other last bits at every attempt, and a note that was read."""
    total = sum(row["figure"] for row in at.read("data_quality"))
    value = total * at.settings.logs.late_days / 3.0 * (1.0 + NOISE * at.attempt)
    row = {"as_of_date": at.date, "surface": "search", "position": 1, "examination": value, "impressions": int(total)}
    lines = float(at.notes_of(IngestNotes).lines)
    at.write("examination", MemoryRows([row | {"standard_error": lines, "method": "prior", "is_identified": True}]))


def curve_of(at):
    """Tonight's row of `examination`."""
    return next(row for row in at.read("examination") if row["as_of_date"] == at.date)


def build_memory(at):
    """Queries of the open dates, a weekly roll-up that every night of the week rewrites, and a file for the bundle."""
    curve = curve_of(at)
    before = sum(row["hit_rate"] for row in at.read("strategy_history") if row["as_of_date"] == at.date - DAY)
    days = [at.date - DAY, at.date]
    value = curve["examination"] + before
    queries = [
        {"log_date": day, "query_key": "q", "query_class": "one_word", "users_sketch": b"", "users": value}
        | {"impressions": curve["impressions"]}
        for day in days
    ]
    at.write("queries", MemoryRows(queries), f"log_date IN (DATE'{days[0]}', DATE'{days[1]}')")
    week = monday(at.date)
    clicks = sum(row["impressions"] for row in at.read_written("queries") if monday(row["log_date"]) == week)
    rollup = {"period_start": week, "query_key": "q", "entity_id": "e", "clicks": clicks, "clicks_squared": 0}
    rollup |= {"examinations": 0, "examinations_squared": 0}
    at.write("q2e_rollup", MemoryRows([rollup]), f"period_start = DATE'{week}'")
    part = put_payload(policy_url(at), f"memory {value:.6g}".encode())
    at.note(memory_parts={"memory-0.npz": part})


def compute_strategy_features(at):
    """A rate that decays from night to night: it depends on the whole past."""
    before = sum(
        row["hit_rate"] for row in at.read_own_previous("strategy_history") if row["as_of_date"] == at.date - DAY
    )
    rates = dict.fromkeys(("marginal_hit_rate", "reciprocal_rank", "support"), 1.0)
    row = {"as_of_date": at.date, "level": "all", "key": "", "strategy": "a", "depth": 2, "draw_rate": None, **rates}
    row |= {"hit_rate": 0.01 * before + curve_of(at)["examination"], "mean_results": None}
    at.write("strategy_history", MemoryRows([row]))
    at.note(history_sha256="", history_parts={})


def train_bandit(at):
    """A file of bytes: the candidate, where there is a closed date."""
    rate = next(row["hit_rate"] for row in at.read("strategy_history") if row["as_of_date"] == at.date)
    if at.closed_dates():
        model = put_payload(policy_url(at), f"bandit {rate:.6g}".encode())
        at.note(bandit_sha256=model.sha256, values="", mlflow_run_id=f"run {at.attempt}")


def train_ranker(at):
    """A file of bytes on some nights."""
    total = curve_of(at)["impressions"]
    if at.closed_dates() and total % 3 == 0:
        payload = put_payload(policy_url(at), f"ranker {total}".encode())
        at.note(ranker_sha256=payload.sha256, mlflow_run_id=f"run {at.attempt}")


def evaluate(at):
    """Estimates whose sign is a property of the bandit that is judged, with an error that shrinks with its nights."""
    name = at.settings.policy.name
    moves = collect_moves(at.read("releases"), at.policies_root, name)
    store = open_policy(at.policies_root, name)
    pointer = pointer_at(store, champion_of(moves, at.date).sequence)
    champion = read_manifest(at.policies_root, name, pointer.version)
    book = challenger_review.read_trials(at.read("challengers"), name, at.date - DAY, at.settings.gate)
    tested = current_trial(book)
    if tested and tested.against != FrozenBandit.of_manifest(champion).digest:
        tested = None
    total = curve_of(at)["impressions"]
    rows = estimates(at, HELD_OUT, CANDIDATE, "c", 1, total) if candidate_of(at) else []
    if tested:
        rows += estimates(at, LIFE, CHALLENGER, tested.bandit.digest, (at.date - tested.begun).days, total)
    life = canary_life(store, pointer)
    if life is not None:
        version = pointer.canary.version
        assert version in life.canaries
        model = read_manifest(at.policies_root, name, version).files.get(BANDIT)
        rows += estimates(at, CANARY, CANARY, model.sha256 if model else "0", len(life.canaries), total, BY_USER)
        at.note(canary_dates=len(life.canaries), canary_objections=())
    at.write("ope_estimates", MemoryRows(rows))
    objections = ["toy objection"] if total % 7 == 0 else []
    ranker_judging.judge_rankers(at, champion, book, (), objections)
    at.note(
        champion_version=pointer.version,
        challenger=tested.trial if tested else "",
        objections=tuple(objections),
        life_dates=1,
        judged_dates=len(at.closed_dates()),
        draws_by_class={},
    )


def estimates(at, judged_on, policy, key, nights, total, estimator="dr"):
    """Rows of `ope_estimates`: a good, a bad and two indifferent kinds of bandits; more data, another figure."""
    gain = {0: 0.2, 1: -0.2}.get(int(key[:1], 16) % 4, 0.0)
    told = {"as_of_date": at.date, "judged_on": judged_on, "estimator": estimator, "reward": REWARD, "slice": ALL}
    told |= {"policy_version": "v", "low": None, "high": None, "evidence": 200.0, "effective_sample_size": 300.0}
    told |= {"impressions": 1000, "users": 300, "verdict": TRUST, "reasons": []}
    wave = 0.01 * (total % 11) / 11
    figures = {CHAMPION: (0.5, 0.01), difference_of(policy): (gain + wave, 0.05 / max(nights, 1) ** 0.5)}
    return [told | {"policy": which, "value": value, "standard_error": se} for which, (value, se) in figures.items()]


def judge_orders(at, tried, champion, dates, held_out):
    """As `ranker_judging._judge`: figures of a booster whose gain is a property of its bytes, with the data's noise."""
    return (tried, len(dates), curve_of(at)["impressions"]) if dates else None


def order_judgement(found, nights, objections):
    """As `ranker_judging._judgement`."""
    if found is None:
        return JUDGEMENT(None, nights, objections)
    tried, dates, total = found
    gain = {0: 0.2, 1: -0.2}.get(int(tried[:1], 16) % 4, 0.0) + 0.01 * (total % 11) / 11
    seen = Estimate(gain, 0.05 / dates**0.5)
    return Judgement(seen, 0.5, 200.0, 300.0, 1000, 300, nights, objections=tuple(objections), measure=MEASURE)


def policy_url(at) -> str:
    """The folder of tonight's policy."""
    return open_policy(at.policies_root, at.settings.policy.name).url


TOYS = {
    "ingest_logs": ingest_logs,
    "fit_click_model": fit_click_model,
    "build_memory": build_memory,
    "compute_strategy_features": compute_strategy_features,
    "train_bandit": train_bandit,
    "train_ranker": train_ranker,
    "evaluate_policies": evaluate,
    "publish_policy": publish_policy.run,
}


def collect_moves(releases, root, name):
    """As `moves.collect_moves`."""
    rows = [row for row in releases if row["sequence"] is not None and row["policy"] in (None, name)]
    return moves_of(rows, root, name)


def read_challengers(rows, day):
    """As `challenger_rows.read_challengers`."""
    return [
        challenger_rows._challenger(row.asDict(recursive=True))
        for row in sorted(rows.collect(), key=lambda row: row.trial)
        if row.as_of_date == day
    ]


def read_trials(rows, policy, day, gate):
    """As `challenger_rows.read_trials`."""
    kept = [row for row in rows if row["policy"] == policy and day - timedelta(gate.budget_nights) <= row["as_of_date"]]
    dates = [row["as_of_date"] for row in kept if row["as_of_date"] <= day]
    found = read_challengers(rows, max(dates)) if dates else []
    return [one for one in found if one.bandit.policy == policy]


def estimates_of(at, judged_on, estimator="dr"):
    """As `challenger_review.estimates_of`."""
    wanted = (at.date, judged_on, estimator)
    rows = at.read("ope_estimates")
    return [row for row in rows if (row["as_of_date"], row["judged_on"], row["estimator"]) == wanted]


def install(monkeypatch, current):
    """Put the stand-ins in place; `current()` is the home that the process works on."""
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
    for module in (challenger_review, assemble_bundle, publish_policy):
        monkeypatch.setattr(module, "estimates_of", estimates_of)
    monkeypatch.setattr(ranker_judging, "_judge", judge_orders)
    monkeypatch.setattr(ranker_judging, "_judgement", order_judgement)
    # A toy bundle holds no model that could be loaded; that every byte is there is checked all the same.
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
    monkeypatch.setattr(night, "conform", conformed)
    monkeypatch.setattr(Night, "tracking", Untracked())
    monkeypatch.setattr(Night, "home", property(lambda at: current()), raising=False)
    # A committed row never changes: it is parsed once.
    monkeypatch.setattr(commits, "_from_row", lambda row: current().parsed(row))
    monkeypatch.setattr(CommitLog, "commit", lambda log, run: current().commit(log, run))
