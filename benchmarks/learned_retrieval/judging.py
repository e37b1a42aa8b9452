"""Policies learned from one log, for every value of `observe`, with their true recall."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned_retrieval import modes
from benchmarks.learned_retrieval.drawing import BlockPlanner, draw_plans, sum_aims
from benchmarks.learned_retrieval.exploring import exploration_rows
from benchmarks.learned_retrieval.history import histories
from benchmarks.learned_retrieval.log import Log, Pairs, simulate
from benchmarks.learned_retrieval.report import LogResults
from benchmarks.learned_retrieval.stopping import stop_rows
from benchmarks.learned_retrieval.study import PlanValues, Study
from benchmarks.learned_retrieval.values import Learner
from benchmarks.learned_retrieval.visibility import Library, library_of
from benchmarks.learned_retrieval.vw import Bandit, mix_scores
from ltrr.arrays import Floats, Longs
from ltrr.bandit.values import ValueSettings
from ltrr.core.planning import History, plan_values
from ltrr.core.plans import PlanSpace
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.truth import union_recalls
from ltrr.simulation.world import World

Plans = dict[str, tuple[Longs, Longs]]
"""Policy -> plan of every query, [Q], and its plan as if it had never been searched, [Q]."""


@dataclass(frozen=True)
class Ablation:
    """Inputs that an ablation withholds from a learner.

    Attributes:
        scores: Whether the scores of the strategies are withheld.
        memory: Whether the memory is withheld, as a strategy and as evidence.
        values: Whether learned values of candidates are withheld; reciprocal ranks replace them.
        text: Whether the stored fields of entities are withheld.
    """

    scores: bool = False
    memory: bool = False
    values: bool = False
    text: bool = False

    def of(self, library: Library) -> Library:
        """The library without the withheld scores, memory and fields."""
        if self.scores:
            library = library.without_scores()
        if self.memory:
            library = library.without_memory()
        return library if not self.text else library.without_fields()


NO_ABLATION = Ablation()


class LogStudy:
    """One simulated log and the policies learned from it.

    Args:
        world: World of known truth.
        space: Plan space.
        impressions: Number of logged searches.
        seed: Seed of the log and of every random choice.
        ablation: Inputs that are withheld.
    """

    def __init__(
        self, world: World, space: PlanSpace, impressions: int, seed: int, ablation: Ablation = NO_ABLATION
    ) -> None:
        self.started = time.monotonic()
        self.world, self.space, self.seed = world, space, seed
        pairs = Pairs.of(world)
        log = simulate(world, pairs, space, impressions, seed)
        self.seen = ~world.unseen & (log.drawn.sum(axis=1) > 0)
        learner = Learner(log, pairs, world.entity_ids, world.keys, self.seen, ValueSettings(), not ablation.values)
        library = ablation.of(library_of(world, space, pairs, log))
        self.study = Study(learner, library, library.without_memory(), seed)
        self.memory = recalled_entities(pairs, log, world.limit)
        truth = union_recalls(world, space, np.arange(len(world.queries)), self.memory)
        self.results = LogResults(world, space, truth)
        self.results.add_static(~world.unseen)
        self.report_progress(f"{len(log.queries):,} searches of {len(np.unique(log.queries)):,} queries")

    def report_progress(self, what: str) -> None:
        """Print a line of progress to stderr."""
        seconds = time.monotonic() - self.started
        print(f"seed {self.seed}: {what} ({seconds:.0f} s)", file=sys.stderr, flush=True)

    def run_all(self) -> LogResults:
        """Judge every policy for every value of `observe`."""
        self.add_unlearned_planners()
        every = self.add_all_blocks()
        self.results.extra += exploration_rows("all_blocks", every.values, self.results)
        self.results.extra += stop_rows(self.study, self.world, self.study.full_values[0], self.memory)
        self.add_first_look(every)
        self.add_blind(every)
        self.add_drawn(every)
        return self.results

    def run_planners(self) -> LogResults:
        """Judge the planners alone, for an ablation."""
        study = self.study
        self.add_unlearned_planners()
        self.results.add("all_blocks", "value_planner", modes.plan_all_blocks(study).values.argmax(axis=1))
        for observe, depth, aim in (("first_look", 1, study.reward), ("blind", 0, study.share)):
            planned = modes.plan_at_once(study, study.labels(aim), depth, aim)
            self.results.add(observe, aim.name, planned.values.argmax(axis=1))
        self.report_progress("planners")
        return self.results

    def add_unlearned_planners(self) -> None:
        """Add the planners without learned values: by reciprocal ranks, and by hit rates."""
        study, prior = self.study, History.prior(self.space)
        histories_of = {"reciprocal_rank_planner": [prior] * len(self.seen), "hit_rate_planner": histories(study)}
        for observe, depth in (("all_blocks", self.space.budget), ("first_look", 1), ("blind", 0)):
            views = study.views(study.library, study.depths(depth))
            for name, history in histories_of.items():
                values = [
                    plan_values(self.space, blocks, one) for blocks, one in zip(views.blocks, history, strict=True)
                ]
                self.results.add(observe, name, np.array(values).argmax(axis=1))

    def add_all_blocks(self) -> PlanValues:
        """Add policies that look at every block before they choose."""
        planned = modes.plan_all_blocks(self.study)
        self._add("all_blocks", self._planner_and_vw("all_blocks", planned))
        self.results.add_best_candidates(modes.best_candidates(self.study, self.study.full_values[0]))
        self.report_progress("all_blocks")
        return planned

    def add_first_look(self, every: PlanValues) -> None:
        """Add policies that look at the first block of every strategy."""
        study = self.study
        planned = modes.plan_at_once(study, study.labels(study.reward), 1, study.reward)
        plans = self._planner_and_vw("first_look", planned)
        self.results.extra += exploration_rows("first_look", planned.values, self.results)
        self._add("first_look", plans)
        self._add_published("first_look", plans, every)
        logged = modes.plan_at_once(study, modes.logged_labels(study, looked=1), 1, study.reward)
        self.results.add("first_look", "value_planner_logged_blocks", logged.values.argmax(axis=1))
        self.report_progress("first_look")

    def add_blind(self, every: PlanValues) -> None:
        """Add policies that look at the memory alone, which belongs to the service."""
        study, plans = self.study, Plans()
        for aim in (study.reward, study.share):
            planned = modes.plan_at_once(study, study.labels(aim), 0, aim)
            plans[aim.name] = planned.values.argmax(axis=1), planned.bare_values.argmax(axis=1)
        plans |= {name: taken for name, taken in self._planner_and_vw("blind", planned).items() if name not in plans}
        self._add("blind", plans)
        self._add_published("blind", plans, every)
        self.report_progress("blind")

    def add_drawn(self, every: PlanValues) -> None:
        """Add policies that look at each drawn block before they choose the next one."""
        study = self.study
        planners = [BlockPlanner.learn(study, aim) for aim in (study.reward, study.share)]
        bandit = Bandit(study, planners[0].values_after_random_draws(), "drawn")

        def by_vw(library: Library, so_far: Longs) -> Floats:
            return bandit.scores_after(library, so_far, planners[0].values(library, so_far))

        plans = {
            "value_planner": draw_plans(study, sum_aims(planners)),
            "vw": draw_plans(study, by_vw),
        }
        self._add("drawn", plans)
        self._add_published("drawn", plans, every)
        self.report_progress("drawn")

    def _planner_and_vw(self, observe: str, planned: PlanValues) -> Plans:
        """Plans by learned values, by Vowpal Wabbit over the shortlist, and by the mean of both."""
        bandit = Bandit(self.study, planned, observe)
        scores, bare_scores = bandit.scores()
        alpha = bandit.alpha()
        self.results.extra.append({"observe": observe, "policy": "alpha", "slice": "any", "alpha": alpha})
        pairs = {
            "value_planner" if observe != "blind" else "share_planner": (planned.values, planned.bare_values),
            "vw": (scores, bare_scores),
            "vw_planner": (
                mix_scores(planned.values, scores, alpha),
                mix_scores(planned.bare_values, bare_scores, alpha),
            ),
        }
        return {name: (whole.argmax(axis=1), bare.argmax(axis=1)) for name, (whole, bare) in pairs.items()}

    def _add(self, observe: str, plans: Plans) -> None:
        for name, (taken, _) in plans.items():
            self.results.add(observe, name, taken)

    def _add_published(self, observe: str, plans: Plans, every: PlanValues) -> None:
        """Add offline plans for logged queries, and the best estimated policy for other queries.

        A policy is estimated on the training queries as if they had never been searched. Its values
        are learned from the clicks of other queries; the estimate uses the query's own clicks. The
        best static plan is also a candidate.
        """
        offline = every.values.argmax(axis=1)
        planner = next(iter(plans.values()))[0]
        self.results.add(observe, "offline_plans", np.where(self.seen, offline, planner))
        train = np.flatnonzero(self.seen)
        estimates = self.study.estimated_recall[train]
        static = np.full(len(self.seen), int(estimates.mean(axis=0).argmax()))
        candidates = {"static": (static, static), **plans}
        found = {
            name: float(estimates[np.arange(len(train)), bare[train]].mean()) for name, (_, bare) in candidates.items()
        }
        chosen = max(found, key=lambda name: found[name])
        self.results.add(observe, "published", np.where(self.seen, offline, candidates[chosen][0]))
        note = f"{chosen}, {self.space.text(int(static[0]))}" if chosen == "static" else chosen
        self.results.extra.append({"observe": observe, "policy": "elected", "slice": "any", "note": note})


def recalled_entities(pairs: Pairs, log: Log, limit: int) -> NDArray[np.int32]:
    """Entity numbers that the memory recalls for each query, [Q, limit]."""
    numbers = np.full((len(pairs.entities), limit), NO_ENTITY, dtype=np.int32)
    query, column = np.nonzero(log.memory)
    numbers[query, log.memory[query, column] - 1] = pairs.entities[query, column]
    return numbers
