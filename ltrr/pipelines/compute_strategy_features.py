"""The hits of each strategy's blocks: counts of open dates, history as of D, the served files."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.payloads import put_payload
from ltrr.clicks.correction import with_examination
from ltrr.evaluation.published import block_sizes
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import HistoryNotes
from ltrr.strategies.chances import to_drawn_blocks
from ltrr.strategies.daily import BY_QUERY, to_block_hits, to_strategy_days
from ltrr.strategies.history import collect_counts, fit_history, to_decayed_counts
from ltrr.strategies.parts import store_history_parts
from ltrr.strategies.published import HISTORY_COLUMNS, history_book, history_rows
from ltrr.strategies.queries import (
    class_rates,
    estimate_query_strength,
    only_drawn_enough,
    with_parent,
    with_rates,
)

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Replace `strategy_daily` of the open dates, then `strategy_history` as of D and the history file of the bundle.

    Dates up to D count, and it is served from D + 1 on. Held-out users count too: candidates are
    judged on the history that was logged with each decision, so what this night makes is evidence
    for no judgement. Decisions that a fallback or a static answer took are no draws of a policy and
    are left out.

    The joins are by impression over the open dates; what follows them is a row a day for each query
    and block drawn for it, over the window. Only the levels all and class, three sums and the
    parts' hashes reach the driver.
    """
    settings, space = night.settings.history, night.settings.policy.space
    today, first_open = night.date, night.settings.logs.first_open(night.date)
    is_open = F.col("log_date").between(F.lit(first_open), F.lit(today))

    decisions = night.read("decisions").where(is_open & (F.col("served_by") == "policy") & (F.col("decide") == "plan"))
    # The decisions limit the counts: draws and hits of other decisions join to nothing.
    decisions = only_counted_users(night, _of_block_size(night, decisions))
    curves = night.read("examination").where(F.col("as_of_date") >= F.lit(first_open))
    slate_rows = with_examination(night.read("slate_rows").where(is_open), curves)
    block_hits = to_block_hits(
        slate_rows, night.read("candidates").where(is_open), night.settings.clicks.examination_floor
    )
    open_counts = to_strategy_days(
        to_drawn_blocks(decisions, space), night.read("draws").where(is_open), block_hits, settings.max_weight
    ).persist(StorageLevel.MEMORY_AND_DISK)
    night.write("strategy_daily", open_counts, f"log_date >= DATE'{first_open}' AND log_date <= DATE'{today}'")

    earlier = night.read_own_previous("strategy_daily").where(
        F.col("log_date").between(F.lit(_blocks_since(night)), F.lit(first_open - timedelta(days=1)))
    )
    # Read by level, for the fit, for the table and for the parts.
    decayed = to_decayed_counts(earlier.unionByName(open_counts), today, settings).persist(StorageLevel.MEMORY_AND_DISK)
    coarse = fit_history(collect_counts(decayed, space), space, settings)
    query_counts = with_parent(
        decayed.where(F.col("level") == F.lit(BY_QUERY)), class_rates(night.spark, coarse, space)
    )
    query_prior_draws = estimate_query_strength(query_counts, settings)
    queries = with_rates(only_drawn_enough(query_counts, settings.least_query_draws), query_prior_draws)
    queries = queries.persist(StorageLevel.MEMORY_AND_DISK)

    rows = night.spark.createDataFrame(history_rows(coarse, space), HISTORY_COLUMNS).coalesce(1)
    rows = rows.unionByName(
        queries.withColumn("draw_rate", F.lit(None).cast("double")).select(*rows.columns),
    )
    night.write("strategy_history", rows.withColumn("as_of_date", F.lit(today)))

    policy_url = f"{night.policies_root}/{night.settings.policy.name}"
    parts = store_history_parts(queries, coarse, space, policy_url, settings)
    night.note(
        history_sha256=put_payload(policy_url, history_book(coarse, space).to_bytes()).sha256,
        history_parts=parts,
        prior_draws_all=float(coarse.prior_draws),
        prior_draws_class=float(coarse.class_prior_draws),
        prior_draws_query=float(query_prior_draws),
    )


def _of_block_size(night: Night, decisions: DataFrame) -> DataFrame:
    """Decisions for blocks of the configured size: a smaller block misses hits of a larger one.

    A policy never changes its block size, but a home may continue with a policy of another name. A
    date has few versions.
    """
    policy = night.settings.policy
    versions = {row["policy_version"] for row in decisions.select("policy_version").distinct().collect()}
    sizes = block_sizes(night.policies_root, policy.name, versions)
    others = sorted(version for version, size in sizes.items() if size != policy.block_size)
    if not others:
        return decisions
    log.info("date=%s left_out=%s: blocks of another size", night.date, ",".join(others))
    return decisions.where(~F.col("policy_version").isin(others))


def _blocks_since(night: Night) -> date:
    """The first date whose counts are of blocks of the current size; noted for the next night."""
    before, size = night.previous_notes_of(HistoryNotes), night.settings.policy.block_size
    if before is None:
        since = night.settings.first_date
    elif before.block_size in (None, size):
        # Nights of ltrr 0.1 set neither note.
        since = before.blocks_since or night.settings.first_date
    else:
        since = night.settings.logs.first_open(night.date)
    night.note(block_size=size, blocks_since=since)
    return since
