"""A static log of a world with the choices of a shadow policy, as the nights see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from benchmarks.learned_retrieval.log import Log, Pairs, page_columns, simulate
from benchmarks.learned_retrieval.visibility import Library, library_of
from ltrr.arrays import Floats, Longs
from ltrr.bandit.value_views import KnownQuery, View
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.facts import Facts
from ltrr.core.plans import PlanSpace
from ltrr.evaluation.logged_decision import LoggedDecision
from ltrr.serving.values import PlanValuer
from ltrr.simulation.users import zipf
from ltrr.simulation.world import World

_AT_ONCE = 4_096


@dataclass(frozen=True, eq=False)
class StaticLog:
    """A log of static pages in two halves: the memory of the second one is that of the first.

    Attributes:
        world: World of known truth.
        space: The plans.
        pairs: All listed pairs of the world.
        static: Plan of the static page.
        first, second: The halves.
        seed: Seed of the log.
    """

    world: World
    space: PlanSpace
    pairs: Pairs
    static: int
    first: Log
    second: Log
    seed: int

    @staticmethod
    def of(world: World, space: PlanSpace, static: int, searches: int, seed: int) -> StaticLog:
        """Two halves of `searches` in all."""
        pairs = Pairs.of(world)
        halves = [simulate(world, pairs, space, searches // 2, 2 * seed + half, static) for half in (0, 1)]
        return StaticLog(world, space, pairs, static, *halves, seed)

    @cached_property
    def whole(self) -> Log:
        """Both halves, with the memory after the last night."""
        one, other = self.first, self.second
        return replace(other, clicks=one.clicks + other.clicks, examinations=one.examinations + other.examinations)

    @cached_property
    def fetched(self) -> Longs:
        """Blocks fetched for each query, [Q, S]: looks, page, choices of a uniform policy."""
        rng = np.random.default_rng([self.seed, 1])
        queries = np.concatenate((self.first.queries, self.second.queries))
        depths = np.zeros((len(self.world.queries), len(self.space.strategies)), dtype=np.int64)
        np.maximum.at(
            depths, queries, self.space.plans[rng.integers(0, len(self.space), len(queries))].astype(np.int64)
        )
        searched = np.bincount(queries, minlength=len(depths)) > 0
        page = np.maximum(self.space.plans[self.static].astype(np.int64), 1)
        return np.where(searched[:, None], np.maximum(depths, page), 1)

    def library(self, log: Log) -> Library:
        """All blocks, with the memory of a log."""
        return library_of(self.world, self.space, self.pairs, log)

    def evidence(self, log: Log, query: int) -> dict[str, tuple[float, float]]:
        """entity_id -> (clicks, examinations) of the pairs of a query that the log shows."""
        names, columns = self.world.entity_ids, np.flatnonzero(log.examinations[query])
        return {
            names[self.pairs.entities[query, column]]: (
                float(log.clicks[query, column]),
                float(log.examinations[query, column]),
            )
            for column in columns.tolist()
        }


def view_of(log: StaticLog, library: Library, evidence: Log | None, query: int, depths: Longs) -> View:
    """Blocks of a query down to some depths, with facts of the candidates."""
    (blocks,) = library.visible(np.array([query]), depths[None, :])
    seen = log.evidence(evidence, query) if evidence else {}
    facts = {entity: Facts(overlap) for entity, overlap in library.overlaps(query, blocks).items()}
    listed = {entity for block in blocks for entity in block.entity_ids}
    for entity, (clicks, examinations) in seen.items():
        if entity in listed and clicks > 0.0:
            facts[entity] = replace(facts.get(entity, Facts()), clicks=clicks, examinations=examinations)
    return View(log.space, library.keys[query], blocks, facts)


def known_queries(log: StaticLog) -> list[KnownQuery]:
    """The searched queries as the training of values gets them."""
    library, bare = log.library(log.first), log.library(log.first).without_memory()
    first_look = np.ones(len(log.space.strategies), dtype=np.int64)
    searched = np.flatnonzero(log.whole.examinations.sum(axis=1) > 0.0)
    return [
        KnownQuery(
            [view_of(log, library, log.first, query, first_look)],
            view_of(log, bare, None, query, log.fetched[query]),
            log.evidence(log.whole, query),
        )
        for query in searched.tolist()
    ]


def decisions_of(log: StaticLog, library: Library, evidence: Log, queries: Longs) -> dict[int, LoggedDecision]:
    """Query -> a decision with the looks of a memory; the plan is the static one, the reward 0."""
    first_look = np.ones(len(log.space.strategies), dtype=np.int64)
    found = {}
    for query in np.unique(queries).tolist():
        view = view_of(log, library, evidence, query, first_look)
        found[query] = LoggedDecision(
            user_key="",
            key=view.key,
            query_class="all",
            plan=log.static,
            propensity=1.0,
            supported=np.ones(len(log.space), dtype=np.bool_),
            shared=np.zeros(0),
            look=view.blocks,
            facts=view.facts,
            values=np.zeros(len(log.space)),
            reward=0.0,
            query_mean=0.0,
        )
    return found


def plan_shares(values: Floats, exploration: ExplorationSettings) -> Floats:
    """P(plan) of a canary: the best plan, and the floor, [N, P]."""
    plans = values.shape[1]
    shares = np.full(values.shape, exploration.floor_share / plans)
    shares[np.arange(len(values)), values.argmax(axis=1)] += 1.0 - exploration.floor_share
    return shares


def values_of(valuer: PlanValuer, decisions: dict[int, LoggedDecision]) -> dict[int, Floats]:
    """Query -> value of every plan, [P]."""
    return {query: valuer.values(one.key, one.look, one.facts) for query, one in decisions.items()}


def draw_users(world: World, count: int, rng: np.random.Generator) -> Longs:
    """User of each search, [count], by the activity of the world's users."""
    return rng.choice(world.users.users, size=count, p=zipf(world.users.users, world.users.activity_exponent))


def click_chances(log: StaticLog, memory: Log, queries: Longs, plans: Longs, rng: np.random.Generator) -> Floats:
    """P(click) at each position of the page of each search's plan, [N, positions]."""
    positions = log.world.users.page_size
    found = np.zeros((len(queries), positions))
    for start in range(0, len(queries), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        searched = queries[part]
        columns, shown = page_columns(log.pairs, log.space, memory.memory, searched, plans[part], positions, rng)
        relevance = np.take_along_axis(log.pairs.relevance[searched], columns, axis=1)
        examined = log.world.users.examination()[: columns.shape[1]]
        found[part, : columns.shape[1]] = shown * log.world.users.click_if_examined(relevance) * examined
    return found
