"""Replacements of code that reads rows by Spark: they read the same rows from memory."""

from datetime import timedelta
from types import SimpleNamespace

from ltrr.estimation.estimators import list_deciding_estimators
from ltrr.estimation.intervals import Estimate
from ltrr.pipelines import ranker_judging
from ltrr.publishing import challenger_rows
from ltrr.publishing.gate import Judgement
from ltrr.publishing.moves import moves_of
from ltrr.publishing.ranker_gate import MEASURE
from ltrr.spark import commits
from ltrr.spark.commits import CommitLog
from tests.disturbed.memory_warehouse import MemoryRows

# The real functions, before they are replaced.
COMMIT, FROM_ROW, JUDGEMENT = CommitLog.commit, commits._from_row, ranker_judging._to_judgement
SPARK = SimpleNamespace(
    catalog=SimpleNamespace(clearCache=lambda: None),
    sparkContext=SimpleNamespace(setJobDescription=lambda text: None),
    createDataFrame=lambda rows, schema: MemoryRows(rows),
)


def curve_of(at):
    """Row of `examination` of this night."""
    return next(row for row in at.read("examination") if row["as_of_date"] == at.date)


def judge_orders(at, order, champion, dates, held_out):
    """As `ranker_judging._compare_orders`: the gain depends on the booster's bytes and the data."""
    return (order, len(dates), curve_of(at)["impressions"]) if dates else None


def order_judgement(found, nights, objections):
    """As `ranker_judging._to_judgement`."""
    if found is None:
        return JUDGEMENT(None, nights, objections)
    order, dates, total = found
    gain = {0: 0.2, 1: -0.2}.get(int(order[:1], 16) % 4, 0.0) + 0.01 * (total % 11) / 11
    estimate = Estimate(gain, 0.05 / dates**0.5)
    return Judgement(estimate, 0.5, 200.0, 300.0, 1000, 300, nights, objections=tuple(objections), measure=MEASURE)


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


def estimates_of(at, judged_on):
    """As `challenger_review.estimates_of`."""
    deciding = {estimator.name for estimator in list_deciding_estimators()}
    rows = [row for row in at.read("ope_estimates") if row["estimator"] in deciding]
    return [row for row in rows if (row["as_of_date"], row["judged_on"]) == (at.date, judged_on)]
