"""Choice of a plan: planner, shortlist, scores of the bandit, exploration; online and in batch.

Vowpal Wabbit only scores: it predicts the cost of every plan of the shortlist. `core.exploration`
alone turns scores into probabilities (docs/adr/0004-vw-scores.md). Without a model, the planner's
values are the scores. With one, `score_weight` is the weight of its predictions relative to them.
The planner uses learned values if the policy has them (`serving.values`), otherwise hit rates
(`core.planning`).

The cost of a decision depends neither on the catalogue nor on the log: P plans are valued, K are
scored.
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

from ltrr.arrays import Floats, Longs
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
    """A model that predicts the cost of each action of one multi-line example."""

    def predict(self, example: str) -> Any:
        """Costs in the order of the action lines."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Inputs and probabilities of one decision.

    Args:
        shared: Shared features.
        values: Planner value of every plan, [P], found reward.
        features: Action features of the shortlist, [K, F].
        scores: Score of each plan of the shortlist, [K]: predicted reward. With a model, it is the
            difference from the best plan's value.
        distribution: Probabilities of all plans.
        facts: Facts of the candidates.
        situation: Situation of the search.
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
        """The plan of the highest score; among equals, the first of the shortlist."""
        return int(self.distribution.shortlist[int(np.argmax(self.scores))])


class PlanChooser:
    """P(plan) of one policy. It pickles as its settings and the model's bytes.

    Args:
        space: The plans.
        exploration: Settings of exploration.
        model: A Vowpal Wabbit model trained with `--cb_adf`; None: the planner alone.
        observe: What the policy sees before choosing.
        valuer: Learned values; None: hit rates.
        groups: Groups of shared features that the policy uses.

    Raises:
        ArtifactError: the model cannot be read, or predicts probabilities instead of scores.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> greedy = PlanChooser(space, ExplorationSettings(temperature=0.0, floor_share=0.0), None)
    >>> looks = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("memory", 1, "empty")]
    >>> spread = greedy.choose("the matrix", looks, History.prior(space)).distribution
    >>> space.text(spread.best()), spread.p(spread.best())
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
        # A Vowpal Wabbit workspace has one parse buffer: one prediction at a time.
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments of the constructor."""
        constructor = partial(PlanChooser, groups=self.groups)
        return constructor, (self.space, self.exploration, self.model, self.observe, self.valuer)

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
        """The distribution over plans for one query, with its inputs.

        Args:
            key: The query_key.
            looks: Blocks seen before choosing.
            history: History that the query is planned with.
            facts: Facts of the candidates of the looks.
            draws: Decayed draws behind the query's own history.
            situation: Time, surface and context of the search.
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
        """The choice from logged values: query_key, shared features and planner values."""
        shortlist = shortlist_of(values, self.exploration.shortlist_size)
        features = action_matrix(self.space, values, shortlist)
        scores = self._scores(shared, values, shortlist, features)
        exploration = self.exploration.of_class(query_class(key))
        distribution = explore(scores, exploration, shortlist=shortlist, n_actions=len(self.space))
        return Choice(shared, values, features, scores, distribution)

    def distribution(self, key: str, shared: Floats, values: Floats) -> Distribution:
        """P(plan) from logged values, to evaluate the policy on a log; arguments as for `weigh`."""
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
        # A prediction is the reward less the best plan's value, so the same is subtracted here.
        return np.asarray((1.0 - weight) * (values[shortlist] - values.max()) + weight * predicted)

    @property
    def is_learned(self) -> bool:
        """Whether a model scores; otherwise the planner's values are the scores."""
        return self._scorer is not None

    def example(self, shared: Floats, shortlist: Longs, features: Floats) -> str:
        """The model's input for some plans; `features` has one row per plan."""
        return decision_example(self.space, shared, shortlist, features, observe=self.observe, groups=self.groups)

    def scores_of(self, example: str) -> Floats:
        """Predicted reward of every action line of an example, less the best plan's value, [K].

        Raises:
            UsageError: the policy has no model.
        """
        if self._scorer is None:
            raise UsageError("a policy without a bandit has no predictions", which="bandit.vw", todo="use its values")
        with self._lock:
            costs = self._scorer.predict(example)
        return -np.asarray(costs, dtype=np.float64)


def _load_scorer(model: bytes) -> Scorer:
    """A read-only workspace of a model that predicts scores, not probabilities."""
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
