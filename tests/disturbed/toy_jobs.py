"""Toy jobs over real catalog tables; their results can be computed from the logs by hand."""

from datetime import timedelta

from ltrr.artifacts.bundle import BANDIT, read_manifest
from ltrr.artifacts.payloads import put_payload
from ltrr.artifacts.pointer import open_policy, pointer_at
from ltrr.estimation.verdict import TRUST
from ltrr.evaluation.canary import BY_USER, CANARY, canary_life
from ltrr.evaluation.estimates import HELD_OUT, LIFE, REWARD, difference_of
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION
from ltrr.evaluation.scoring import ALL
from ltrr.pipelines import publish_policy, ranker_judging
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.notes import IngestNotes
from ltrr.publishing.moves import champion_of
from ltrr.publishing.trials import FrozenBandit, current_trial
from tests.disturbed.memory_warehouse import MemoryRows
from tests.disturbed.stand_ins import collect_moves, curve_of, read_trials
from tests.disturbed.toy_home import DAY, FIRST

# The last bits differ between attempts, as sums of doubles do in Spark.
NOISE = 1e-13


def monday(day):
    """First date of a week."""
    return day - timedelta(days=day.weekday())


def ingest_logs(at):
    """Write figures of the two open dates: lines of the date, and late lines of the day before."""
    lines = at.home.logs.get(at.date, ())
    figures = {row["log_date"]: row["figure"] for row in at.read_own_previous("data_quality")}
    open_dates = [day for day in (at.date - DAY, at.date) if day >= FIRST]
    rows = []
    for day in open_dates:
        figure = figures.get(day, 0.0) + sum(amount for about, amount in lines if about == day)
        constants = {"check": "figure", "limit": None, "verdict": "reported", "detail": "toy"}
        rows.append({"log_date": day, "figure": float(figure), **constants})
    at.write(
        "data_quality", MemoryRows(rows), f"log_date >= DATE'{open_dates[0]}' AND log_date <= DATE'{open_dates[-1]}'"
    )
    constants = {"reason": "unreadable", "detail": "", "format": "foreign", "line_hash": "00", "excerpt": "{"}
    rejected = [
        {"source": "d", "offset": number, "settled_date": at.date, **constants}
        for number, (_, amount) in enumerate(lines)
        if amount % 5 == 0
    ]
    at.write("rejected_rows", MemoryRows(rejected))
    at.note(lines=len(lines), query_key_version=at.settings.policy.query_key_version)


def fit_click_model(at):
    """Write a number derived from all figures; its last bits differ between attempts."""
    total = sum(row["figure"] for row in at.read("data_quality"))
    value = total * at.settings.logs.late_days / 3.0 * (1.0 + NOISE * at.attempt)
    row = {"as_of_date": at.date, "surface": "search", "position": 1, "examination": value, "impressions": int(total)}
    lines = float(at.notes_of(IngestNotes).lines)
    at.write("examination", MemoryRows([row | {"standard_error": lines, "method": "prior", "is_identified": True}]))


def build_memory(at):
    """Write queries of the open dates, a file for the bundle, and a weekly roll-up.

    Every night of a week rewrites its roll-up.
    """
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
    """Write a rate that decays from night to night, and so depends on the whole history."""
    before = sum(
        row["hit_rate"] for row in at.read_own_previous("strategy_history") if row["as_of_date"] == at.date - DAY
    )
    rates = dict.fromkeys(("marginal_hit_rate", "reciprocal_rank", "support"), 1.0)
    row = {"as_of_date": at.date, "level": "all", "key": "", "strategy": "a", "depth": 2, "draw_rate": None, **rates}
    row |= {"hit_rate": 0.01 * before + curve_of(at)["examination"], "mean_results": None}
    at.write("strategy_history", MemoryRows([row]))
    at.note(history_sha256="", history_parts={})


def train_bandit(at):
    """Write a file of bytes as the candidate, if there is a closed date."""
    rate = next(row["hit_rate"] for row in at.read("strategy_history") if row["as_of_date"] == at.date)
    if at.closed_dates():
        model = put_payload(policy_url(at), f"bandit {rate:.6g}".encode())
        at.note(bandit_sha256=model.sha256, values="", mlflow_run_id=f"run {at.attempt}")


def train_ranker(at):
    """Write a file of bytes as the ranker on some nights."""
    total = curve_of(at)["impressions"]
    if at.closed_dates() and total % 3 == 0:
        stored = put_payload(policy_url(at), f"ranker {total}".encode())
        at.note(ranker_sha256=stored.sha256, mlflow_run_id=f"run {at.attempt}")


def evaluate(at):
    """Write estimates whose sign depends on the bandit; their error shrinks with the nights."""
    name = at.settings.policy.name
    moves = collect_moves(at.read("releases"), at.policies_root, name)
    store = open_policy(at.policies_root, name)
    pointer = pointer_at(store, champion_of(moves, at.date).sequence)
    champion = read_manifest(at.policies_root, name, pointer.version)
    trials = read_trials(at.read("challengers"), name, at.date - DAY, at.settings.gate)
    challenger = current_trial(trials)
    if challenger and challenger.against != FrozenBandit.of_manifest(champion).digest:
        challenger = None
    total = curve_of(at)["impressions"]
    rows = estimates(at, HELD_OUT, CANDIDATE, "c", 1, total) if candidate_of(at) else []
    if challenger:
        rows += estimates(at, LIFE, CHALLENGER, challenger.bandit.digest, (at.date - challenger.begun).days, total)
    life = canary_life(store, pointer)
    if life is not None:
        version = pointer.canary.version
        assert version in life.canaries
        model = read_manifest(at.policies_root, name, version).files.get(BANDIT)
        rows += estimates(at, CANARY, CANARY, model.sha256 if model else "0", len(life.canaries), total, BY_USER)
        at.note(canary_dates=len(life.canaries), canary_objections=())
    at.write("ope_estimates", MemoryRows(rows))
    objections = ("toy objection",) if total % 7 == 0 else ()
    at.note(champion_version=pointer.version, challenger=challenger.trial if challenger else "", objections=objections)
    ranker_judging.judge_rankers(at, champion, trials, (), objections)
    at.note(life_dates=1, judged_dates=len(at.closed_dates()), draws_by_class={})


def estimates(at, judged_on, policy, key, nights, total, estimator="dr"):
    """Rows of `ope_estimates`.

    There is one kind of good bandits, one of bad bandits, and two without a gain. The figures
    depend on the data.
    """
    gain = {0: 0.2, 1: -0.2}.get(int(key[:1], 16) % 4, 0.0)
    values = {"as_of_date": at.date, "judged_on": judged_on, "estimator": estimator, "reward": REWARD, "slice": ALL}
    values |= {"policy_version": "v", "low": None, "high": None, "evidence": 200.0, "effective_sample_size": 300.0}
    values |= {"impressions": 1000, "users": 300, "verdict": TRUST, "reasons": []}
    wave = 0.01 * (total % 11) / 11
    figures = {CHAMPION: (0.5, 0.01), difference_of(policy): (gain + wave, 0.05 / max(nights, 1) ** 0.5)}
    return [values | {"policy": which, "value": value, "standard_error": se} for which, (value, se) in figures.items()]


def policy_url(at) -> str:
    """Folder of the policy of this night."""
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
