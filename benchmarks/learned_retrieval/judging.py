"""Everything that is learned from one log, for every value of `observe`, judged by the truth."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Longs
from benchmarks.learned_retrieval import modes
from benchmarks.learned_retrieval.drawing import Drawer, both_aims, drawn_plans
from benchmarks.learned_retrieval.exploring import exploration_rows
from benchmarks.learned_retrieval.history import histories
from benchmarks.learned_retrieval.log import Log, Pairs, simulate
from benchmarks.learned_retrieval.report import Judged
from benchmarks.learned_retrieval.stopping import stop_rows
from benchmarks.learned_retrieval.study import Planned, Study
from benchmarks.learned_retrieval.values import Learner
from benchmarks.learned_retrieval.visibility import Library, library_of
from benchmarks.learned_retrieval.vw import Bandit, mixed
from ltrr.bandit.values import ValueSettings
from ltrr.core.planning import History, plan_values
from ltrr.core.plans import PlanSpace
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.truth import union_recalls
from ltrr.simulation.world import World

Plans = dict[str, tuple[Longs, Longs]]
"""Policy -> the plan it takes for every query, [Q], and for every query as if it had never been searched, [Q]."""


@dataclass(frozen=True)
class Without:
    """Inputs that an ablation takes from a learner.

    Attributes:
        scores: the strategies' own.
        memory: neither as a strategy nor as evidence.
        values: learned values of candidates; their reciprocal ranks stand in.
        text: stored fields of entities.
    """

    scores: bool = False
    memory: bool = False
    values: bool = False
    text: bool = False

    def of(self, library: Library) -> Library:
        """The same world with less to see."""
        if self.scores:
            library = library.without_scores()
        if self.memory:
            library = library.without_memory()
        return library if not self.text else library.without_fields()


NOTHING_LESS = Without()


class LogStudy:
    """One simulated log and all that is learned from it.

    Args:
        world: of known truth.
        space: the plans.
        impressions: searches that are logged.
        seed: of the log and of every choice.
        without: inputs that are left out.
    """

    def __init__(
        self, world: World, space: PlanSpace, impressions: int, seed: int, without: Without = NOTHING_LESS
    ) -> None:
        self.started = time.monotonic()
        self.world, self.space, self.seed = world, space, seed
        pairs = Pairs.of(world)
        log = simulate(world, pairs, space, impressions, seed)
        self.seen = ~world.unseen & (log.drawn.sum(axis=1) > 0)
        learner = Learner(log, pairs, world.entity_ids, world.keys, self.seen, ValueSettings(), not without.values)
        library = without.of(library_of(world, space, pairs, log))
        self.study = Study(learner, library, library.without_memory(), seed)
        self.memory = recalled(pairs, log, world.limit)
        truth = union_recalls(world, space, np.arange(len(world.queries)), self.memory)
        self.judged = Judged(world, space, truth)
        self.judged.add_static(~world.unseen)
        self.report_progress(f"{len(log.queries):,} searches of {len(np.unique(log.queries)):,} queries")

    def report_progress(self, what: str) -> None:
        """Progress, to stderr."""
        seconds = time.monotonic() - self.started
        print(f"seed {self.seed}: {what} ({seconds:.0f} s)", file=sys.stderr, flush=True)

    def everything(self) -> Judged:
        """Every policy of every way of looking."""
        self.unlearned()
        every = self.all_blocks()
        self.judged.extra += exploration_rows("all_blocks", every.values, self.judged)
        self.judged.extra += stop_rows(self.study, self.world, self.study.full_worth[0], self.memory)
        self.first_look(every)
        self.blind(every)
        self.drawn(every)
        return self.judged

    def planners(self) -> Judged:
        """The planners alone, for an ablation."""
        study = self.study
        self.unlearned()
        self.judged.add("all_blocks", "value_planner", modes.all_blocks(study).values.argmax(axis=1))
        for observe, depth, aim in (("first_look", 1, study.reward), ("blind", 0, study.share)):
            planned = modes.at_once(study, study.labels(aim), depth, aim)
            self.judged.add(observe, aim.name, planned.values.argmax(axis=1))
        self.report_progress("planners")
        return self.judged

    def unlearned(self) -> None:
        """Planners without learned values: by reciprocal ranks, and by the hit rates of the strategies."""
        study, prior = self.study, History.prior(self.space)
        histories_of = {"reciprocal_rank_planner": [prior] * len(self.seen), "hit_rate_planner": histories(study)}
        for observe, depth in (("all_blocks", self.space.budget), ("first_look", 1), ("blind", 0)):
            views = study.views(study.library, study.depths(depth))
            for name, history in histories_of.items():
                values = [
                    plan_values(self.space, blocks, one) for blocks, one in zip(views.blocks, history, strict=True)
                ]
                self.judged.add(observe, name, np.array(values).argmax(axis=1))

    def all_blocks(self) -> Planned:
        """Every block is seen before choosing."""
        planned = modes.all_blocks(self.study)
        self._add("all_blocks", self._planner_and_vw("all_blocks", planned))
        self.judged.add_best_candidates(modes.best_candidates(self.study, self.study.full_worth[0]))
        self.report_progress("all_blocks")
        return planned

    def first_look(self, every: Planned) -> None:
        """The first block of every strategy is seen."""
        study = self.study
        planned = modes.at_once(study, study.labels(study.reward), 1, study.reward)
        plans = self._planner_and_vw("first_look", planned)
        self.judged.extra += exploration_rows("first_look", planned.values, self.judged)
        self._add("first_look", plans)
        self._add_published("first_look", plans, every)
        logged = modes.at_once(study, modes.logged_labels(study, looked=1), 1, study.reward)
        self.judged.add("first_look", "value_planner_logged_blocks", logged.values.argmax(axis=1))
        self.report_progress("first_look")

    def blind(self, every: Planned) -> None:
        """Nothing is seen but the memory, which is the service's own."""
        study, plans = self.study, Plans()
        for aim in (study.reward, study.share):
            planned = modes.at_once(study, study.labels(aim), 0, aim)
            plans[aim.name] = planned.values.argmax(axis=1), planned.bare_values.argmax(axis=1)
        plans |= {name: taken for name, taken in self._planner_and_vw("blind", planned).items() if name not in plans}
        self._add("blind", plans)
        self._add_published("blind", plans, every)
        self.report_progress("blind")

    def drawn(self, every: Planned) -> None:
        """Every block drawn is seen before the next is chosen."""
        study = self.study
        drawers = [Drawer.learn(study, aim) for aim in (study.reward, study.share)]
        bandit = Bandit(study, drawers[0].midway(), "drawn")

        def by_vw(library: Library, so_far: Longs) -> Floats:
            return bandit.scores_after(library, so_far, drawers[0].values(library, so_far))

        plans = {
            "value_planner": drawn_plans(study, both_aims(drawers)),
            "vw": drawn_plans(study, by_vw),
        }
        self._add("drawn", plans)
        self._add_published("drawn", plans, every)
        self.report_progress("drawn")

    def _planner_and_vw(self, observe: str, planned: Planned) -> Plans:
        """The planner over learned values, Vowpal Wabbit over its shortlist, and both together."""
        bandit = Bandit(self.study, planned, observe)
        scores, bare_scores = bandit.scores()
        alpha = bandit.alpha()
        self.judged.extra.append({"observe": observe, "policy": "alpha", "slice": "any", "alpha": alpha})
        pairs = {
            "value_planner" if observe != "blind" else "share_planner": (planned.values, planned.bare_values),
            "vw": (scores, bare_scores),
            "vw_planner": (mixed(planned.values, scores, alpha), mixed(planned.bare_values, bare_scores, alpha)),
        }
        return {name: (whole.argmax(axis=1), bare.argmax(axis=1)) for name, (whole, bare) in pairs.items()}

    def _add(self, observe: str, plans: Plans) -> None:
        for name, (taken, _) in plans.items():
            self.judged.add(observe, name, taken)

    def _add_published(self, observe: str, plans: Plans, every: Planned) -> None:
        """Plans made offline for queries that were logged; for others the policy that is estimated to find most.

        The estimate is over training queries as if they had never been searched, with values
        learned from others' clicks, and counts what their own clicks say. The best static plan is a
        candidate, too.
        """
        offline = every.values.argmax(axis=1)
        planner = next(iter(plans.values()))[0]
        self.judged.add(observe, "offline_plans", np.where(self.seen, offline, planner))
        train = np.flatnonzero(self.seen)
        estimates = self.study.estimated_recall[train]
        static = np.full(len(self.seen), int(estimates.mean(axis=0).argmax()))
        standing = {"static": (static, static), **plans}
        found = {
            name: float(estimates[np.arange(len(train)), bare[train]].mean()) for name, (_, bare) in standing.items()
        }
        elected = max(found, key=lambda name: found[name])
        self.judged.add(observe, "published", np.where(self.seen, offline, standing[elected][0]))
        note = f"{elected}, {self.space.text(int(static[0]))}" if elected == "static" else elected
        self.judged.extra.append({"observe": observe, "policy": "elected", "slice": "any", "note": note})


def recalled(pairs: Pairs, log: Log, limit: int) -> NDArray[np.int32]:
    """Entity numbers that the memory recalls for each query, [Q, limit]."""
    numbers = np.full((len(pairs.entities), limit), NO_ENTITY, dtype=np.int32)
    query, column = np.nonzero(log.memory)
    numbers[query, log.memory[query, column] - 1] = pairs.entities[query, column]
    return numbers
