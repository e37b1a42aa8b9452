"""Choosing a plan: planner, shortlist, the bandit's scores, exploration. The same code online and in batch.

Vowpal Wabbit only scores: it predicts the cost of every shortlisted plan, and `core.exploration`
alone turns scores into probabilities (docs/adr/0004-vw-scores.md). Without a model the planner's
values are the scores; with one, `score_weight` is the weight of its predictions relative to them.
The planner goes by learned values where the policy has them (`serving.values`), else by hit rates
(`core.planning`).

One decision costs the same whatever the catalogue or the log: P plans are valued, K are scored.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ltrr.core.arrays import Floats, Longs
from ltrr.core.exploration import Distribution, ExplorationSettings, explore, shortlist_of
from ltrr.core.facts import NO_FACTS, CandidateFacts
from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.planning import Block, History, plan_values
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.core.vw_text import decision_example
from ltrr.errors import ArtifactError, UsageError
from ltrr.serving.values import PlanValuer


class Scorer(Protocol):
    """What predicts the cost of each action of one multi-line example."""

    def predict(self, example: str) -> Any:
        """Costs in the order of the action lines."""


@dataclass(frozen=True, eq=False)
class Choice:
    """All that one decision was made from.

    Args:
        shared: shared features, as used.
        values: planner value of every plan, [P], found reward.
        features: action features of the shortlist, [K, F].
        scores: predicted reward of the shortlist, [K]; less the best plan's value where a model has
            a say.
        distribution: over all plans.
        facts: of the candidates, as used.
        situation: Situation of the search, as given.
    """

    shared: Floats
    values: Floats
    features: Floats
    scores: Floats
    distribution: Distribution
    facts: CandidateFacts = field(default_factory=dict)
    situation: Situation = UNKNOWN_SITUATION

    @property
    def greedy(self) -> int:
        """The plan of the highest score; the first of the shortlist among equals."""
        return int(self.distribution.shortlist[int(np.argmax(self.scores))])


class PlanChooser:
    """P(plan) for one policy. Cheap to send to an executor: it pickles as its settings and the model's bytes.

    Args:
        space: the plans.
        exploration: how much to explore.
        model: a Vowpal Wabbit model trained with `--cb_adf`, or None: the planner alone.
        observe: what the policy sees before choosing.
        valuer: of learned values, or None: hit rates.
        groups: of shared features that it uses.

    Raises:
        ArtifactError: the model cannot be read, or gives probabilities where scores are needed.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> greedy = PlanChooser(space, ExplorationSettings(temperature=0.0, floor_share=0.0), None)
    >>> looks = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("memory", 1, "empty")]
    >>> choice = greedy.choose("the matrix", looks, History.prior(space))
    >>> space.text(choice.distribution.best()), choice.distribution.p(choice.distribution.best())
    ('title:2', 1.0)
    """

    def __init__(
        self,
        space: PlanSpace,
        exploration: ExplorationSettings,
        model: bytes | None,
        observe: str = "first_look",
        valuer: PlanValuer | None = None,
        *,
        groups: tuple[str, ...] = DEFAULT_GROUPS,
    ) -> None:
        self.space, self.exploration, self.observe = space, exploration, observe
        self.valuer, self.groups = valuer, groups
        self.model = model
        self._scorer = None if model is None else _load_scorer(model)
        # A Vowpal Wabbit workspace parses into buffers of its own: one prediction at a time.
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it was made from."""
        made = partial(PlanChooser, groups=self.groups)
        return made, (self.space, self.exploration, self.model, self.observe, self.valuer)

    def choose(
        self,
        key: str,
        looks: Sequence[Block],
        history: History,
        facts: CandidateFacts = NO_FACTS,
        *,
        draws: float = 0.0,
        situation: Situation = UNKNOWN_SITUATION,
    ) -> Choice:
        """The distribution over plans for one query, with all it came from.

        Args:
            key: the query_key.
            looks: blocks seen before choosing.
            history: of the query.
            facts: of the candidates of the looks.
            draws: decayed draws behind the query's own history.
            situation: when and where it is searched.
        """
        shared = shared_vector(
            self.space, looks, key, self.observe, self.groups, history=history, draws=draws, situation=situation
        )
        if self.valuer is None:
            values = plan_values(self.space, looks, history)
        else:
            values = self.valuer.values(key, looks, facts)
        return replace(self.weigh(key, shared, values), facts=facts, situation=situation)

    def weigh(self, key: str, shared: Floats, values: Floats) -> Choice:
        """The distribution from what the log holds: query_key, shared features and planner values."""
        shortlist = shortlist_of(values, self.exploration.shortlist_size)
        features = action_matrix(self.space, values, shortlist)
        scores = self._scores(shared, values, shortlist, features)
        exploration = self.exploration.of_class(query_class(key))
        distribution = explore(scores, exploration, shortlist=shortlist, n_actions=len(self.space))
        return Choice(shared, values, features, scores, distribution)

    def distribution(self, key: str, shared: Floats, values: Floats) -> Distribution:
        """P(plan) from query_key, shared features and planner values, for judging this policy on a log."""
        return self.weigh(key, shared, values).distribution

    def _scores(
        self,
        shared: Floats,
        values: Floats,
        shortlist: Longs,
        features: Floats,
    ) -> Floats:
        weight = self.exploration.score_weight
        if self._scorer is None or weight == 0.0:
            return np.asarray(values[shortlist])
        predicted = self.scores_of(self.example(shared, shortlist, features))
        if weight == 1.0:
            return predicted
        # A prediction is of the reward less the best plan's value, so the planner's part is less it
        # too.
        return np.asarray((1.0 - weight) * (values[shortlist] - values.max()) + weight * predicted)

    @property
    def is_learned(self) -> bool:
        """Whether a model scores; else the planner's values are the scores."""
        return self._scorer is not None

    def example(self, shared: Floats, shortlist: Longs, features: Floats) -> str:
        """What the model is asked about some plans; `features` has a row a plan."""
        return decision_example(self.space, shared, shortlist, features, observe=self.observe, groups=self.groups)

    def scores_of(self, example: str) -> Floats:
        """Predicted reward of every action line of an example, less the best plan's value, [K].

        Raises:
            UsageError: there is no model to ask.
        """
        if self._scorer is None:
            raise UsageError("a policy without a bandit predicts nothing", which="bandit.vw", todo="use its values")
        with self._lock:
            costs = self._scorer.predict(example)
        return -np.asarray(costs, dtype=np.float64)


def _load_scorer(model: bytes) -> Scorer:
    """A read-only workspace over the model; it must predict scores, not probabilities."""
    import vowpalwabbit

    with tempfile.TemporaryDirectory(prefix="ltrr-bandit-") as folder:
        path = Path(folder) / "bandit.vw"
        path.write_bytes(model)
        try:
            workspace = vowpalwabbit.Workspace(arg_list=["--quiet", "--testonly", "--initial_regressor", str(path)])
        except RuntimeError as fault:
            raise ArtifactError(
                "Vowpal Wabbit cannot read the bandit", which="bandit.vw", got=str(fault), todo="publish again"
            ) from fault
    if workspace.get_prediction_type().name != "ACTION_SCORES":
        raise ArtifactError(
            "the bandit does not predict a score for each plan",
            which="bandit.vw",
            expected="a model trained with --cb_adf",
            got=workspace.get_prediction_type().name.lower(),
            todo="train with --cb_adf; exploration is added when serving",
        )
    scorer: Scorer = workspace
    return scorer
