"""What each block of each strategy brings: counts of the open dates, history as of D, and the file that is served."""

from __future__ import annotations

from pyspark.sql import functions as F

from ltrr.artifacts.payloads import put_payload
from ltrr.clicks.correction import with_examination
from ltrr.pipelines.night import Night
from ltrr.strategies.chances import to_drawn_blocks
from ltrr.strategies.daily import to_block_hits, to_strategy_days
from ltrr.strategies.history import collect_counts, fit_history, to_decayed_counts
from ltrr.strategies.published import HISTORY_COLUMNS, history_book, history_rows


def run(night: Night) -> None:
    """Replace `strategy_daily` of the open dates, then `strategy_history` as of D and the history file of the bundle.

    Dates up to D count, and it is served from D + 1 on. Held-out users count too: candidates are judged on the history
    that was logged with each decision, so what this night makes is evidence for no judgement. Decisions that a fallback
    or a static answer took are no draws of a policy and are left out.

    The joins are by impression over the open dates; what follows them is dates x classes x strategies x depths.
    """
    settings, space = night.settings.history, night.settings.policy.space
    today, first_open = night.date, night.settings.logs.first_open(night.date)
    is_open = F.col("log_date").between(F.lit(first_open), F.lit(today))

    decisions = night.read("decisions").where(is_open & (F.col("served_by") == "policy") & (F.col("decide") == "plan"))
    curves = night.read("examination").where(F.col("as_of_date") >= F.lit(first_open))
    slate_rows = with_examination(night.read("slate_rows").where(is_open), curves)
    block_hits = to_block_hits(
        slate_rows, night.read("candidates").where(is_open), night.settings.clicks.examination_floor
    )
    tonight = to_strategy_days(
        to_drawn_blocks(decisions, space), night.read("draws").where(is_open), block_hits, settings.max_weight
    ).persist()
    night.write("strategy_daily", tonight, f"log_date >= DATE'{first_open}' AND log_date <= DATE'{today}'")

    earlier = night.read_own_previous("strategy_daily").where(F.col("log_date") < F.lit(first_open))
    counts = collect_counts(to_decayed_counts(earlier.unionByName(tonight), today, settings), space)
    histories = fit_history(counts, space, settings)
    rows = night.spark.createDataFrame(history_rows(histories, space), HISTORY_COLUMNS).coalesce(1)
    night.write("strategy_history", rows.withColumn("as_of_date", F.lit(today)))
    book = history_book(histories, space)
    stored = put_payload(f"{night.policies_root}/{night.settings.policy.name}", book.to_bytes())
    night.note("history_sha256", stored.sha256)
