"""Training rows of the dates that close on this night, and a ranker, compared with a plain order.

A ranker of pages with logged features is compared with reciprocal rank fusion. Pages of other
systems have no logged features. A ranker of such pages is compared with the order that they were
shown in, because their log says nothing about the order of fusion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.payloads import put_payload
from ltrr.pipelines.alike_pages import only_alike_pages
from ltrr.pipelines.closing import dates_to_write
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import KNOWN, LOGGED, RankerNotes
from ltrr.pipelines.ranking_rows import write_ranking_rows
from ltrr.ranking.judging import CANDIDATE, FUSION, SHOWN, OrderQuality, fusion_order, judge_orders, shown_order
from ltrr.ranking.known_features import orders_entities, with_known_features
from ltrr.ranking.rows import only_judging, only_of_width, only_training, only_without_features
from ltrr.ranking.training import count_clicked_queries, train_ranker
from ltrr.spark.columns import empty
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Write `ranking_rows` of the dates that close on this night, train and judge the ranker.

    The job stores the booster and notes its hash and figures. One date closes per night while the
    settings stay the same; `pipelines.closing` describes a change of the longest reward window. A
    night reads the slates of these dates and the training rows of the window's closed dates,
    whatever the age of the log. Without a closed date there is no training data: the table is
    empty, and no ranker is noted.

    Raises:
        NotReadyError: The number of free task slots is below the number of workers of the ranker.
    """
    window = night.closed_dates(night.settings.ranker.window_nights)
    dates = dates_to_write(night, "ranking_rows", night.settings.ranker.window_nights, RankerNotes)
    if not window:
        yesterday = night.date - timedelta(days=1)
        where = dates.where("log_date") or f"log_date = DATE'{yesterday}'"
        night.write("ranking_rows", empty(night.spark, table("ranking_rows")), where)
        night.note(ranker_why="no ranker was trained: no date has closed yet")
        log.info("date=%s ranker=none: no date has closed yet", night.date)
        return
    with night.tracking.run(night.job) as tracked:
        write_ranking_rows(night, dates)
        tracked.params(_run_parameters(night, window))
        in_window = F.col("log_date").between(F.lit(window[0]), F.lit(window[-1]))
        alike = only_alike_pages(night, night.read_written("ranking_rows").where(in_window), window)
        rows = only_counted_users(night, alike)
        _train(night, rows, tracked)


@dataclass(frozen=True)
class _Basis:
    """Rows to train and judge on, with the order that a ranker of them is compared with.

    Attributes:
        name: `logged` or `known`, as `RankerNotes.ranker_basis` explains.
        rows: Rows of the window with features.
        plain_name: Name of the other order.
        plain_score: Score of that order.
    """

    name: str
    rows: DataFrame
    plain_name: str
    plain_score: Column


def _train(night: Night, rows: DataFrame, tracked: TrackedRun) -> None:
    settings, policy = night.settings.ranker, night.settings.policy
    names = [feature.name for feature in policy.ranker_features]
    held_out = (night.settings.evaluation.held_out_percent, settings.held_out_query_percent)
    counts: dict[str, int] = {}
    for basis in _list_bases(night, rows, names):
        training = only_training(basis.rows, *held_out)
        counts[basis.name] = count_clicked_queries(training)
        if counts[basis.name] >= settings.min_queries:
            break
    else:
        why = _why_none(counts, settings.min_queries, settings.window_nights)
        night.note(ranker_why=why)
        log.info("date=%s ranker=none: %s", night.date, why)
        return
    model = train_ranker(training, names, settings)
    judging = only_judging(basis.rows, *held_out)
    quality = judge_orders(
        judging, {CANDIDATE: model, basis.plain_name: None}, basis.plain_score, settings.ndcg_positions
    )
    payload = put_payload(f"{night.policies_root}/{policy.name}", model)
    tracked.metrics({**quality.figures(), "model_bytes": payload.size})
    tracked.tags({"ranker_sha256": payload.sha256, "ranker_basis": basis.name, "compared_with": basis.plain_name})
    tracked.artifact_bytes("ranker.ubj", model)
    tracked.artifact_json("features.json", names)
    _note(night, quality, basis, payload.sha256, tracked.run_id)


def _list_bases(night: Night, rows: DataFrame, names: Sequence[str]) -> Iterator[_Basis]:
    """Pages with logged features first; then those without, if a known feature orders them."""
    yield _Basis(LOGGED, only_of_width(rows, len(names)), FUSION, fusion_order(names))
    if orders_entities(names):
        policy = night.settings.policy
        known = with_known_features(only_without_features(rows), names, policy.block_size * policy.budget)
        yield _Basis(KNOWN, known, SHOWN, shown_order())


def _why_none(counts: Mapping[str, int], needed: int, window: int) -> str:
    of = {LOGGED: "with logged features", KNOWN: "without"}
    seen = ", ".join(f"{n} {of[name]}" for name, n in counts.items())
    return (
        f"no ranker was trained: the pages of the last {window} closed dates have too few clicked training queries "
        f"({seen}; ranker.min_queries is {needed}, ranker.window_nights {window})"
    )


def _note(night: Night, quality: OrderQuality, basis: _Basis, sha256: str, run_id: str) -> None:
    """Note the model and its report on held-out queries of held-out users, for the gate."""
    plain, figures = basis.plain_name, quality.figures()
    why = _explain_known(figures, is_identified=_is_curve_identified(night)) if basis.name == KNOWN else None
    night.note(ranker_sha256=sha256, ranker_basis=basis.name, ranker_why=why, mlflow_run_id=run_id, **figures)
    log.info(
        "date=%s ranker=%s basis=%s dcg=%.4f %s=%.4f queries=%d",
        *(night.date, sha256[:12], basis.name, quality.value(CANDIDATE).value, plain),
        *(quality.value(plain).value, quality.queries),
    )


def _is_curve_identified(night: Night) -> bool:
    """Whether the log itself shows how often positions below the first are examined."""
    below = night.read("examination").where((F.col("as_of_date") == F.lit(night.date)) & (F.col("position") > 1))
    return below.where("is_identified").limit(1).count() > 0


def _explain_known(figures: Mapping[str, float], *, is_identified: bool) -> str:
    """What a ranker of pages without logged features was compared with, in one line."""
    compared = "no held-out page has a click, so it was not compared"
    if figures["judged_impressions"]:
        compared = (
            f"on {figures['judged_queries']:.0f} held-out queries its weighted DCG is {figures['dcg_candidate']:.4f}, "
            f"that of the order that the log shows {figures['dcg_shown']:.4f} (difference "
            f"{figures['dcg_over_shown']:+.4f}, 95 % {figures['dcg_over_shown_low']:+.4f} to "
            f"{figures['dcg_over_shown_high']:+.4f})"
        )
    if not is_identified:
        compared += "; the log does not show how often a position is examined, so this rests on 1 / position"
    return f"trained on pages without logged features, from what is known without them; {compared}"


def _run_parameters(night: Night, window: list[date]) -> dict[str, object]:
    """Parameters of the training run for MLflow, by name."""
    return {
        "first_date": window[0],
        "last_date": window[-1],
        "strategies": ",".join(night.settings.policy.strategies),
        "held_out_percent": night.settings.evaluation.held_out_percent,
        "examination_floor": night.settings.clicks.examination_floor,
        **asdict(night.settings.ranker),
    }
