"""The value of a canary: known difference, correct standard error, the same bits in any order."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.pointer import Canary, Pointer, pointer_at
from ltrr.artifacts.store import Store
from ltrr.estimation.intervals import estimate_difference
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.canary import (
    BY_USER,
    CANARY,
    DIFFERENCE,
    CanaryLife,
    canary_life,
    canary_rows,
    count_sides,
    only_drawn_impressions,
    sum_canary,
)
from ltrr.evaluation.judged_policy import CHAMPION
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

pytestmark = pytest.mark.spark

DAY = date(2026, 3, 4)
BEGUN = "2026-03-03T12:00:00.000+00:00"
SHARE = 0.2
LIFE = CanaryLife(("a1", "a2"), ("b1", "b2"))
SETTINGS = EvaluationSettings()
CLASSES = ("one_word", "long")
WORTH = {CHAMPION: {"one_word": 0.4, "long": 0.6}, CANARY: {"one_word": 0.5, "long": 0.5}}


def logged(seed: int, users: int = 400, searches: int = 3_000) -> list[tuple[dict[str, Any], float]]:
    """Impressions with rewards; users differ in number of searches and in rewards."""
    rng = np.random.default_rng(seed)
    canary = Canary("b1", SHARE, BEGUN)
    often = rng.pareto(2.0, users) + 0.2
    keen = rng.uniform(0.6, 1.4, users)
    made = []
    for number, user in enumerate(rng.choice(users, searches, p=often / often.sum())):
        is_canary, kind = canary.serves(f"{seed}-{user}"), CLASSES[rng.integers(2)]
        night = 1 + number % 2
        row = {
            "impression_id": f"{seed}-{number}",
            "at": datetime(2026, 3, 4, 10, tzinfo=UTC),
            "log_date": DAY,
            "arrival_date": DAY,
            "query_text": "q",
            "query_key": "q",
            "query_class": kind,
            "user_key": f"{seed}-{user}",
            "user_fold": 0,
            "session_key": "s",
            "surface": "search",
            "utc_offset_minutes": 0,
            "context": {},
            "policy_version": f"{'b' if is_canary else 'a'}{night}",
            "version_propensity": SHARE if is_canary else 1.0 - SHARE,
            "memory_version": "m",
            "history_version": "h",
            "served_by": "policy",
        }
        chance = WORTH[CANARY if is_canary else CHAMPION][kind] * keen[user]
        made.append((row, float(rng.random() < chance)))
    return made


def frames(spark, made):
    rows = [row for row, _ in made]
    keys = ("impression_id", "log_date", "query_key", "user_key", "user_fold", "surface")
    # A page has two rows. The second has the reward, and both are added up.
    slates = [
        {key: row[key] for key in keys}
        | {"position": place, "entity_id": "e", "clicks": 0, "page_reward": earned, "features": [0.0]}
        for row, reward in made
        if reward
        for place, earned in ((1, 0.0), (2, reward))
    ]
    return (
        spark.createDataFrame(rows, schema_of(table("impressions"))),
        spark.createDataFrame(slates, schema_of(table("slate_rows"))),
    )


def judged(spark, made, life=LIFE):
    impressions, slates = frames(spark, made)
    drawn = only_drawn_impressions(impressions, life)
    slices = sum_canary(drawn, slates)
    rows = canary_rows(DAY, slices, life, count_sides(drawn), SETTINGS)
    return {(row["policy"], row["slice"]): row for row in rows}


def test_a_known_difference_is_found_in_the_whole_and_in_slices(spark) -> None:
    rows = judged(spark, logged(1, users=3_000, searches=20_000))
    for kind, truth in (("all", 0.0), ("one_word", 0.1), ("long", -0.1)):
        row = rows[DIFFERENCE, kind]
        assert row["low"] < truth < row["high"]
        assert row["high"] - row["low"] < 0.12
    assert rows[DIFFERENCE, "one_word"]["low"] > 0.0 > rows[DIFFERENCE, "long"]["high"]
    whole = rows[DIFFERENCE, "all"]
    assert (whole["verdict"], whole["estimator"], whole["policy_version"]) == ("trust", BY_USER, "b2 against a2")
    sides = [rows[side, "all"]["impressions"] for side in (CHAMPION, CANARY)]
    assert (sum(sides), whole["impressions"]) == (20_000, 20_000)
    spark.createDataFrame(list(rows.values()), schema_of(table("ope_estimates")))


def test_static_pages_count_next_to_a_champion_in_shadow_mode(spark) -> None:
    """The same searches give the same sums, whether a policy or its shadow mode chose the page.

    Pages on which the canary failed count for the canary, and they are its fallbacks.
    """

    def drawn_of(made):
        impressions, slates = frames(spark, made)
        return only_drawn_impressions(impressions, LIFE), slates

    made = logged(3)
    is_champion = [row["policy_version"].startswith("a") for row, _ in made]
    served = ["static" if mine or number % 4 == 0 else "policy" for number, mine in enumerate(is_champion)]
    static = [(row | {"served_by": by}, reward) for (row, reward), by in zip(made, served, strict=True)]
    assert sum_canary(*drawn_of(static), is_shadow=True) == sum_canary(*drawn_of(made))
    failed = sum(by == "static" and not mine for by, mine in zip(served, is_champion, strict=True))
    counts = count_sides(drawn_of(static)[0], is_shadow=True)
    assert counts[CANARY].fallback_share == pytest.approx(failed / (len(made) - sum(is_champion)))
    assert counts[CHAMPION].fallback_share == 0.0
    # A static page of a champion that serves its choices is not its page.
    assert sum_canary(*drawn_of(static))["all"].total("champion_w") == 0.0


@pytest.mark.statistical
def test_the_standard_error_is_that_of_many_repetitions() -> None:
    """1,500 canaries in numpy: intervals have their coverage, and those of IPS are far wider."""
    rng = np.random.default_rng(7)
    hits, values, plain, errors = 0, [], [], []
    for _ in range(1_500):
        users = 600
        n = rng.geometric(0.25, users)
        on_canary = rng.random(users) < SHARE
        rewards = rng.binomial(n, np.clip(rng.uniform(0.3, 0.7, users) + np.where(on_canary, 0.05, 0.0), 0, 1))
        weights = {CANARY: on_canary / SHARE, CHAMPION: ~on_canary / (1 - SHARE)}
        terms = {f"{side}_{name}": w * of for side, w in weights.items() for name, of in (("w", n), ("wr", rewards))}
        sums = ClusteredSums.of(terms, [str(user) for user in range(users)])
        found = estimate_difference(sums, ("canary_wr", "canary_w"), ("champion_wr", "champion_w"))
        hits += found.low(0.975) < 0.05 < found.high(0.975)
        values.append(found.value)
        errors.append(found.standard_error)
        plain.append((terms["canary_wr"].sum() - terms["champion_wr"].sum()) / n.sum())
    assert 0.925 < hits / 1_500 < 0.97
    assert abs(np.mean(values) - 0.05) < 5 * np.std(values) / 1_500**0.5
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.08)
    assert np.std(plain) > 1.5 * np.std(values)


def test_any_order_and_partitioning_gives_the_same_bits(spark) -> None:
    impressions, slates = frames(spark, logged(2))
    drawn = only_drawn_impressions(impressions, LIFE)
    once = sum_canary(drawn.coalesce(1), slates.coalesce(1))
    again = sum_canary(
        drawn.orderBy(F.xxhash64("impression_id")).repartition(7), slates.orderBy(F.desc("position")).repartition(3)
    )
    assert once == again
    assert once.keys() == {"all", *CLASSES}


def test_undrawn_versions_and_fallbacks_are_left_out(spark) -> None:
    made = logged(3, users=200, searches=600)
    before = judged(spark, made)
    row = made[0][0]

    def more(name: str, **values: Any) -> list[tuple[dict[str, Any], float]]:
        return [(row | {"impression_id": f"{name}-{n}", "user_key": f"{name}-{n}"} | values, 1.0) for n in range(90)]

    aside = [
        *more("undrawn", version_propensity=1.0, policy_version="a1"),
        *more("other", policy_version="c1", version_propensity=0.5),
    ]
    assert judged(spark, made + aside) == before
    fell = more("fell", served_by="fallback", policy_version="b2", version_propensity=SHARE)
    found = judged(spark, made + fell)
    assert found[CANARY, "all"]["value"] == before[CANARY, "all"]["value"]
    assert found[CANARY, "all"]["verdict"] == found[DIFFERENCE, "all"]["verdict"] == "do not use"
    assert any("fell back" in reason for reason in found[DIFFERENCE, "all"]["reasons"])
    assert judged(spark, []) == {}


def test_a_side_that_loses_searches_is_detected(spark) -> None:
    """Half of the canary's searches are missing from the log: a sample-ratio mismatch."""
    made = logged(4, users=1_500, searches=6_000)
    lost = [pair for n, pair in enumerate(made) if pair[0]["policy_version"][0] == "a" or n % 2]
    assert any("instead of 1" in reason for reason in judged(spark, lost)[DIFFERENCE, "all"]["reasons"])
    assert not any("instead of 1" in reason for reason in judged(spark, made)[DIFFERENCE, "all"]["reasons"])


def test_a_canary_without_rewards_has_evidence_against_it(spark) -> None:
    made = [(row, 0.0 if row["policy_version"][0] == "b" else reward) for row, reward in logged(5, 6_000, 9_000)]
    rows = judged(spark, made)
    assert rows[CANARY, "all"]["verdict"] == "do not use"
    difference = rows[DIFFERENCE, "all"]
    assert (difference["verdict"], difference["reasons"]) == ("trust", [])
    assert difference["value"] == -rows[CHAMPION, "all"]["value"]
    assert difference["high"] < 0.0
    # Almost no evidence, because the champion has almost none.
    few = judged(spark, [(row, reward if n % 100 == 0 else 0.0) for n, (row, reward) in enumerate(made)])
    assert few[DIFFERENCE, "all"]["verdict"] == "do not use"


def test_a_life_is_read_from_the_pointers_of_this_canary_alone() -> None:
    store = Store("memory://canary-life")
    a, b = ([f"2026-03-0{day}-{side * 12}" for day in (1, 2, 3, 4)] for side in "ab")
    earlier = Canary(b[0], 0.5, "2026-03-01T00:00:00.000+00:00", "m")
    served = [
        (a[0], earlier),
        (a[1], None),
        (a[1], Canary(b[1], SHARE, BEGUN, "m")),
        (a[2], Canary(b[2], SHARE, BEGUN, "m")),
        (a[3], Canary(b[3], SHARE, BEGUN, "m")),
    ]
    for sequence, (version, canary) in enumerate(served, start=1):
        champion = Pointer(sequence, version, "m", "2026-03-03T00:00:00.000+00:00", "")
        content = {key: value for key, value in vars(champion).items() if key not in ("sequence", "canary")}
        if canary:
            content["canary"] = vars(canary)
        store.create(f"current/{sequence:08d}.json", json.dumps(content).encode())

    def at(sequence: int) -> CanaryLife | None:
        return canary_life(store, pointer_at(store, sequence))

    assert at(2) is None
    assert at(4) == CanaryLife((a[1], a[2]), (b[1], b[2]))
    assert at(5) == CanaryLife((a[1], a[2], a[3]), (b[1], b[2], b[3]))
    one = at(1)
    assert one is not None
    assert (one.champions, one.canaries) == ((a[0],), (b[0],))
