"""Robots in an ingested log change neither memory nor examination nor verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.clicks.fit import fit_curves
from ltrr.clicks.pairs import to_linking_pairs
from ltrr.clicks.settings import ClickSettings
from ltrr.estimation.intervals import estimate_difference, estimate_sum
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import Look
from ltrr.evaluation.estimates import summarize_policy
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.memory.evidence import to_daily_evidence
from ltrr.publishing.gate import Judgement, judge_night
from ltrr.publishing.settings import GateSettings
from ltrr.users.limits import only_counted, to_limited_users, to_user_days
from ltrr.users.settings import UserSettings
from tests.clicks.slates import TRUE_CURVE
from tests.logs.log_lines import NIGHT, write_folder
from tests.pipelines.ingest_nights import SECRET, Home
from tests.users.attacked_logs import (
    ENTITIES,
    Page,
    attack_on_one_pair,
    honest_pages,
    ltrr_lines,
    ubi_lines,
)

pytestmark = [pytest.mark.spark, pytest.mark.long]

LINES = {"ltrr": ltrr_lines, "ubi": ubi_lines}


@dataclass(frozen=True)
class Learned:
    """What a log teaches.

    Attributes:
        best: Query -> entity with the most clicks per examination.
        examination: Examination by position, [ENTITIES].
    """

    best: dict[str, str]
    examination: np.ndarray


def ingested(spark: SparkSession, path: Path, name: str, pages: list[Page], *, by_session: bool) -> Home:
    home = Home(spark, path, NIGHT)
    write_folder(home.logs, NIGHT, {f"{name}-1.ndjson": LINES[name](pages, by_session=by_session)})
    home.ingest(NIGHT)
    return home


def learned(rows: DataFrame) -> Learned:
    """Memory and examination of slate rows, by the functions of the jobs."""
    pairs = to_linking_pairs(rows, ENTITIES).persist()
    curve = fit_curves(pairs, ["search"], ENTITIES, ClickSettings()).curves["search"].examination
    pairs.unpersist()
    examined = F.array(*map(F.lit, curve.tolist()))[F.col("position") - 1]
    evidence = to_daily_evidence(rows.withColumn("examination", examined))
    rate = (F.col("clicks") / F.col("examinations")).alias("rate")
    best = evidence.groupBy("query_key").agg(F.max_by("entity_id", rate).alias("best")).collect()
    return Learned({row["query_key"]: row["best"] for row in best}, curve)


def counted(home: Home) -> DataFrame:
    return only_counted(home.table("slate_rows"), home.table("limited_users"), UserSettings())


@pytest.mark.parametrize("by_session", [False, True], ids=["users", "sessions without a user"])
@pytest.mark.parametrize("name", LINES)
def test_robots_on_one_pair_change_no_top_entity_and_no_examination(
    spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by_session: bool
) -> None:
    """Fifty users with a hundred clicks each on one pair of query and entity, on one date."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    honest, robots = honest_pages(1), attack_on_one_pair(2)
    alone = ingested(spark, tmp_path / "alone", name, honest, by_session=by_session)
    attacked = ingested(spark, tmp_path / "attacked", name, [*honest, *robots], by_session=by_session)
    expected, found = learned(counted(alone)), learned(counted(attacked))
    assert len(expected.best) == 12
    assert found.best == expected.best
    assert np.abs(found.examination / expected.examination - 1.0).max() <= 0.01
    # Without the limits the attack changes the curve. The memory counts a user once per pair and
    # date.
    unlimited = learned(attacked.table("slate_rows"))
    assert np.abs(unlimited.examination / expected.examination - 1.0).max() > 0.05
    marked = attacked.table("limited_users").where("counted_share = 0")
    assert marked.count() == len({page.visitor for page in robots})
    checks = {row.check: row.figure for row in attacked.rows("data_quality")}
    assert checks["excluded_users"] == 50.0


NIGHTS, SEARCHES, PEOPLE, POSITIONS = 4, 3_000, 1_200, 6
CHAMPION, RIVAL = "a", "b"
GATE = GateSettings()


def served_days(seed: int, lift: float, everything: float) -> pd.DataFrame:
    """Slate rows of pages that champion or rival served with probability 0.5 each.

    Args:
        seed: Seed of the honest users, whose pages do not depend on the robots.
        lift: Relative difference of the rival's clicks from the champion's.
        everything: Number of users who click everything, as a share of the honest ones. They search
            as often as others do.
    """
    parts = []
    for night in range(NIGHTS):
        for kind, people, draw in (("person", PEOPLE, seed), ("robot", round(everything * PEOPLE), seed + 1_000)):
            rng = np.random.default_rng([draw, night])
            pages = round(SEARCHES * people / PEOPLE)
            if not pages:
                continue
            is_rival = rng.random(pages) < 0.5
            chance = 0.3 * TRUE_CURVE[:POSITIONS] * np.where(is_rival, 1.0 + lift, 1.0)[:, None]
            clicks = (rng.random((pages, POSITIONS)) < chance) | (kind == "robot")
            user = [f"{kind}-{night}-{n}" for n in rng.integers(people, size=pages)]
            parts.append(
                pd.DataFrame(
                    {
                        "log_date": date(2026, 3, 2 + night),
                        "impression_id": np.repeat([f"{kind}-{night}-{n}" for n in range(pages)], POSITIONS),
                        "user_key": np.repeat(user, POSITIONS),
                        "surface": "search",
                        "position": np.tile(np.arange(1, POSITIONS + 1, dtype=np.int32), pages),
                        "clicks": clicks.ravel().astype(np.int32),
                        "page_reward": clicks.ravel().astype(np.float64),
                        "is_rival": np.repeat(is_rival, POSITIONS),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def outcomes(spark: SparkSession, made: pd.DataFrame) -> list[str]:
    """The gate's outcome on each night, from the rows that count."""
    rows = spark.createDataFrame(made)
    searched = rows.where("position = 1").select("log_date", "user_key")
    limited = to_limited_users(to_user_days(searched, rows).persist(), UserSettings())
    pages = ["log_date", "impression_id", "user_key", "is_rival"]
    kept = only_counted(rows, limited, UserSettings()).groupBy(*pages).agg(F.sum("page_reward").alias("reward"))
    found = kept.toPandas().sort_values("impression_id")
    spark.catalog.clearCache()
    looks: list[Look] = []
    found_outcomes = []
    for night in range(1, NIGHTS + 1):
        so_far = found[found["log_date"] < date(2026, 3, 2 + night)]
        verdict = judge_night(judgement(so_far, night), night, looks, 0.05, GATE)
        looks += [verdict.look] if verdict.look else []
        found_outcomes.append(verdict.outcome)
    return found_outcomes


def judgement(pages: pd.DataFrame, nights: int) -> Judgement:
    rewards = pages["reward"].to_numpy()
    names = {"n": np.ones(len(pages))}
    for policy, is_served in ((CHAMPION, ~pages["is_rival"]), (RIVAL, pages["is_rival"])):
        weight = 2.0 * is_served.to_numpy(dtype=np.float64)
        names |= {f"{policy}_w": weight, f"{policy}_w_squared": weight**2, f"{policy}_unsupported": 0.0 * weight}
        names |= {f"{policy}_wr": weight * rewards, f"{policy}_wr_squared": (weight * rewards) ** 2}
    sums = ClusteredSums.of(names, list(pages["user_key"]), tails=[f"{CHAMPION}_wr", f"{RIVAL}_wr"])
    ratios = {policy: (f"{policy}_wr", f"{policy}_w") for policy in (CHAMPION, RIVAL)}
    difference = estimate_difference(sums, ratios[RIVAL], ratios[CHAMPION])
    value = estimate_sum(sums, [ratios[CHAMPION]]).value
    weaker = summarize_policy(sums, RIVAL, 0.0).combine_weaker(summarize_policy(sums, CHAMPION, 0.0))
    users = pages["user_key"].nunique()
    size = weaker.effective_sample_size
    return Judgement(difference, value, weaker.evidence_of_users, size, len(pages), users, nights)


@pytest.mark.statistical
@pytest.mark.parametrize(("lift", "expected"), [(0.0, "keep"), (0.3, "promote"), (-0.3, "futile")])
def test_one_per_cent_of_the_users_clicking_everything_changes_no_verdict(spark, lift: float, expected: str) -> None:
    """Lifts of 30 % are more than ten standard errors, so that no seed decides the outcome."""
    for seed in (1, 2, 3):
        honest, attacked = (outcomes(spark, served_days(seed, lift, share)) for share in (0.0, 0.01))
        assert attacked == honest
        assert honest[-1] == expected
