"""Hits of each strategy's blocks: counts of open dates, history as of D, and files to serve."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.payloads import put_payload
from ltrr.clicks.correction import with_examination
from ltrr.evaluation.published import read_block_sizes
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import HistoryNotes
from ltrr.strategies.chances import to_drawn_blocks, with_served_plans
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
    """Write `strategy_daily` of the open dates, `strategy_history` as of D, and the files to serve.

    Dates up to D count, and the history is served from D + 1 on. Held-out users count too:
    candidates are evaluated on the history that was logged with each decision, so the night's
    history is no evidence in any evaluation. The static page of a shadow
    decision counts as a plan that was certain. Other static pages and fallbacks are no draws of a
    policy and are left out.

    The joins are by impression over the open dates. After them there is one row per date, query and
    block drawn for the query, over the window. Only the levels all and class, three sums and the
    parts' hashes reach the driver.
    """
    settings, space = night.settings.history, night.settings.policy.space
    first_open = night.first_open
    open_counts = _write_open_counts(night)
    earlier = night.read_own_previous("strategy_daily").where(
        F.col("log_date").between(F.lit(_blocks_since(night)), F.lit(first_open - timedelta(days=1)))
    )
    # The fit, the table and the parts read it by level.
    decayed = to_decayed_counts(earlier.unionByName(open_counts), night.date, settings)
    decayed = decayed.persist(StorageLevel.MEMORY_AND_DISK)
    coarse = fit_history(collect_counts(decayed, space), space, settings)
    query_counts = with_parent(
        # Earlier versions of ltrr counted the empty query, which has no history of its own.
        decayed.where((F.col("level") == F.lit(BY_QUERY)) & (F.col("key") != "")),
        class_rates(night.spark, coarse, space),
    )
    query_prior_draws = estimate_query_strength(query_counts, settings)
    queries = with_rates(only_drawn_enough(query_counts, settings.least_query_draws), query_prior_draws)
    queries = queries.persist(StorageLevel.MEMORY_AND_DISK)

    rows = night.spark.createDataFrame(history_rows(coarse, space), HISTORY_COLUMNS).coalesce(1)
    rows = rows.unionByName(
        queries.withColumn("draw_rate", F.lit(None).cast("double")).select(*rows.columns),
    )
    night.write("strategy_history", rows.withColumn("as_of_date", F.lit(night.date)))

    policy_url = f"{night.policies_root}/{night.settings.policy.name}"
    parts = store_history_parts(queries, coarse, space, policy_url, settings)
    night.note(
        history_sha256=put_payload(policy_url, history_book(coarse, space).to_bytes()).sha256,
        history_parts=parts,
        prior_draws_all=float(coarse.prior_draws),
        prior_draws_class=float(coarse.class_prior_draws),
        prior_draws_query=float(query_prior_draws),
    )


def _write_open_counts(night: Night) -> DataFrame:
    """Replace the rows of `strategy_daily` of the open dates; returns them, cached."""
    first_open, space = night.first_open, night.settings.policy.space
    is_open = F.col("log_date").between(F.lit(first_open), F.lit(night.date))
    is_served = (F.col("served_by") == "policy") | F.col("is_shadow")
    decisions = night.read("decisions").where(is_open & is_served & (F.col("decide") == "plan"))
    # The decisions limit the counts: draws and hits of other decisions join to nothing.
    decisions = only_counted_users(night, _only_of_block_size(night, decisions))
    curves = night.read("examination").where(F.col("as_of_date") >= F.lit(first_open))
    slate_rows = with_examination(night.read("slate_rows").where(is_open), curves)
    block_hits = to_block_hits(
        slate_rows, night.read("candidates").where(is_open), night.settings.clicks.examination_floor
    )
    open_counts = to_strategy_days(
        to_drawn_blocks(with_served_plans(decisions, space), space),
        night.read("draws").where(is_open),
        block_hits,
        night.settings.history.max_weight,
    ).persist(StorageLevel.MEMORY_AND_DISK)
    night.write("strategy_daily", open_counts, f"log_date >= DATE'{first_open}' AND log_date <= DATE'{night.date}'")
    return open_counts


def _only_of_block_size(night: Night, decisions: DataFrame) -> DataFrame:
    """Decisions for blocks of the configured size: a smaller block misses hits of a larger one.

    A policy never changes its block size, but a home may continue with a policy of another name. A
    date has few versions.
    """
    policy = night.settings.policy
    versions = {row["policy_version"] for row in decisions.select("policy_version").distinct().collect()}
    sizes = read_block_sizes(night.policies_root, policy.name, versions)
    others = sorted(version for version, size in sizes.items() if size != policy.block_size)
    if not others:
        return decisions
    log.info("date=%s left_out=%s: blocks of another size", night.date, ",".join(others))
    return decisions.where(~F.col("policy_version").isin(others))


def _blocks_since(night: Night) -> date:
    """First date whose counts are of blocks of the current size; it becomes a note."""
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
