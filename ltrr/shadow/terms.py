"""Terms of the shadow report: one pass over shadow decisions, added up exactly by user.

A task returns one text per slice, whatever the number of decisions; scoring costs as much as one
policy of the nightly evaluation (`evaluation.scoring`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Floats
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.plans import PlanSpace
from ltrr.estimation.exploration_price import exploration_terms
from ltrr.estimation.fixed_point import to_fixed
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import COLUMNS, LoggedDecision, logged_decisions
from ltrr.evaluation.scoring import N, sum_terms
from ltrr.serving.bandit import PlanChooser
from ltrr.shadow.settings import ShadowSettings
from ltrr.strategies.chances import drawn_plan

_ROWS_AT_ONCE = 4_096

BASE = ("reward", "reward_squared", "greedy", "static", "static_squared", "reward_static")
"""Terms of a search: its reward r and r^2, whether the best plan is the static one, value v of the
static plan, v^2, r v."""

OF_A_FLOOR = ("policy", "low", "high", "same", "fetched", "rarity", "any_rarity")
"""Terms of a search and a floor of exploration: expected value of the policy's plans, the same if
blocks that were not shown are worth less or more by the factor of sensitivity, P(static plan),
probability of the plans with all blocks fetched, mean squared weight of a challenger with the
exploration of the settings, and the mean of 1 / P over all plans."""


def floor_term(place: int, name: str) -> str:
    """Name of a term of the floor at this place of the settings."""
    return f"floor{place}_{name}"


def term_names(floors: int) -> tuple[str, ...]:
    """All terms, in order.

    >>> term_names(1)[-2:]
    ('floor0_rarity', 'floor0_any_rarity')
    """
    return (N, *BASE, *(floor_term(place, name) for place in range(floors) for name in OF_A_FLOOR))


def shadow_searches(decisions: DataFrame, slate_rows: DataFrame, space: PlanSpace) -> DataFrame:
    """One row for each shadow decision whose static page is a plan, with its page_reward.

    `action_taken` is the plan of the static page, and `fetched` has the strategy and depth of every
    block whose content the log has.

    Args:
        decisions: Decisions of closed dates, of bundles with the plans and features of `space`.
        slate_rows: Slate rows of the same dates.
        space: The plans.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(F.sum("page_reward").alias("page_reward"))
    shadows = decisions.where(F.col("is_shadow") & (F.col("step") == 1)).withColumn("action_taken", drawn_plan(space))
    is_plan = F.col("action_taken").isin(list(space.texts))
    joined = shadows.where(is_plan).join(rewards, on=["log_date", "impression_id"], how="left")
    known = F.transform(F.concat("look", "deeper"), lambda block: F.struct(block["strategy"], block["depth"]))
    own = {"page_reward": F.coalesce("page_reward", F.lit(0.0)), "query_mean": F.lit(0.0), "fetched": known}
    return joined.withColumns(own).select("log_date", "impression_id", *COLUMNS, "fetched")


def count_shadows(decisions: DataFrame, space: PlanSpace) -> tuple[int, int]:
    """Number of shadow decisions, and of those whose static page is no plan of the space."""
    shadows = decisions.where(F.col("is_shadow") & (F.col("step") == 1))
    other = F.count_if(~drawn_plan(space).isin(list(space.texts)))
    row = shadows.agg(F.count(F.lit(1)), other).collect()[0]
    return row[0], row[1]


@dataclass(frozen=True, eq=False)
class ShadowScorer:
    """The canaries that are compared; it is sent to the executors.

    A canary takes the best plan, except for the floor. It is judged by its users and needs no other
    exploration.

    Attributes:
        policies: The canary with each floor of the settings, the smallest first.
        challenger: The policy with the exploration of the settings, which later nights judge on the
            log of such a canary.
        sensitivity: Factor of `ShadowSettings`.
        judge: The policy whose values judge the plans. They come from models of other queries than
            those that choose, so that errors of the choice are not counted as gains.
    """

    policies: Sequence[JudgedPolicy]
    challenger: JudgedPolicy
    sensitivity: float
    judge: JudgedPolicy

    @staticmethod
    def of(chooser: PlanChooser, exploration: ExplorationSettings, settings: ShadowSettings) -> ShadowScorer:
        """From the chooser of the newest bundle, and the exploration of the settings."""
        floors = [canary_exploration(exploration, floor) for floor in settings.floors]
        canaries = [_explore(chooser, f"floor{place}", one) for place, one in enumerate(floors)]
        challenger = _explore(chooser, "challenger", exploration)
        judge = replace(challenger, name="judge", chooser=_with_judge(chooser, exploration))
        return ShadowScorer(canaries, challenger, settings.sensitivity, judge)

    def terms(self, decisions: Sequence[LoggedDecision], fetched: Floats) -> Mapping[str, Floats]:
        """Terms of some decisions, each [N].

        Args:
            decisions: Decisions whose plan is that of the static page.
            fetched: Number of blocks fetched from each strategy without a gap, [N, S].
        """
        space, rows = self.policies[0].space, np.arange(len(decisions))
        static = np.array([decision.plan for decision in decisions], dtype=np.int64)
        chosen_by, values = self.policies[0].values_of(decisions), self.judge.values_of(decisions)
        rewards = np.array([decision.reward for decision in decisions])
        own = values[rows, static]
        plans = space.plans
        is_fetched = (plans[None, :, :] <= fetched[:, None, :]).all(axis=2)
        common = np.minimum(plans[None, :, :], plans[static][:, None, :]).sum(axis=2)
        unshown = values * (1.0 - common / space.budget)
        challenger = self.challenger.probabilities_of(decisions, chosen_by)
        best = self.policies[0].probabilities_of(decisions, chosen_by)
        greedy = np.where(best == best.max(axis=1, keepdims=True), chosen_by, -np.inf).argmax(axis=1)
        found: dict[str, Floats] = {"greedy": (greedy == static).astype(np.float64)}
        for place, policy in enumerate(self.policies):
            target = policy.probabilities_of(decisions, chosen_by)
            expected, away = (target * values).sum(axis=1), (target * unshown).sum(axis=1)
            _, _, any_rarity = exploration_terms(target, values)
            of_floor = {
                "policy": expected,
                "low": expected - away * (1.0 - 1.0 / self.sensitivity),
                "high": expected + away * (self.sensitivity - 1.0),
                "same": target[rows, static],
                "fetched": (target * is_fetched).sum(axis=1),
                "rarity": (challenger**2 / np.maximum(target, 1e-6)).sum(axis=1),
                "any_rarity": any_rarity,
            }
            found |= {floor_term(place, name): of_floor[name] for name in OF_A_FLOOR}
        found |= {"reward": rewards, "reward_squared": rewards**2, "reward_static": rewards * own}
        return found | {N: np.ones(len(rows)), "static": own, "static_squared": own**2}


def sum_shadows(searches: DataFrame, scorer: ShadowScorer) -> dict[str, ClusteredSums]:
    """Exact sums by user of every slice, from `shadow_searches`; empty without searches."""
    names = term_names(len(scorer.policies))
    sent: Broadcast[ShadowScorer] = searches.sparkSession.sparkContext.broadcast(scorer)
    schema = ", ".join(["user_key string", "query_class string", *(f"{name} bigint" for name in names)])

    def to_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        space = sent.value.policies[0].space
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                part = batch.slice(start, _ROWS_AT_ONCE)
                decisions = list(logged_decisions(part, space))
                terms = sent.value.terms(decisions, fetched_depths(part.column("fetched").to_pylist(), space))
                columns = {name: pa.array(to_fixed(terms[name]), pa.int64()) for name in names}
                keys = {name: part.column(name) for name in ("user_key", "query_class")}
                yield pa.RecordBatch.from_pydict({**keys, **columns})

    columns = searches.select(*COLUMNS, "fetched").sortWithinPartitions("query_key")
    return sum_terms(columns.mapInArrow(to_terms, schema), names)


def fetched_depths(rows: Sequence[Sequence[Mapping[str, object]]], space: PlanSpace) -> Floats:
    """Number of blocks fetched from each strategy without a gap, [N, S].

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=3)
    >>> blocks = [("title", 1), ("title", 3), ("memory", 1), ("memory", 2)]
    >>> row = [{"strategy": name, "depth": depth} for name, depth in blocks]
    >>> fetched_depths([row], space).tolist()
    [[1.0, 2.0]]
    """
    found = np.zeros((len(rows), len(space.strategies)))
    for place, row in enumerate(rows):
        known = {(block["strategy"], block["depth"]) for block in row}
        for s, name in enumerate(space.strategies):
            while (name, int(found[place, s]) + 1) in known:
                found[place, s] += 1
    return found


def canary_exploration(exploration: ExplorationSettings, floor: float) -> ExplorationSettings:
    """Exploration of a first canary: the best plan, and a floor over all plans.

    >>> canary_exploration(ExplorationSettings(), 0.05).to_json()
    {'temperature': 0.0, 'floor_share': 0.05, 'shortlist_size': 20}
    """
    return replace(exploration, kind="softmax", temperature=0.0, floor_share=floor, query_classes={})


def _with_judge(chooser: PlanChooser, exploration: ExplorationSettings) -> PlanChooser:
    """A chooser whose values are those of the other folds; without learned values, the same."""
    valuer = None if chooser.valuer is None else chooser.valuer.of_other_folds()
    return PlanChooser(chooser.space, exploration, None, chooser.observe, valuer, groups=chooser.groups)


def _explore(chooser: PlanChooser, name: str, exploration: ExplorationSettings) -> JudgedPolicy:
    own = PlanChooser(chooser.space, exploration, chooser.model, chooser.observe, chooser.valuer, groups=chooser.groups)
    return JudgedPolicy(name, f"floor {exploration.floor_share:g}", chooser.space, chooser=own)
