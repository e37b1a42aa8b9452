"""Streams of nights with trials of all kinds, where the real gate decides every start and every end.

The study calls `review_challenger`, `review_canary` and `review_ranker` of `ltrr.publishing` on
every night on which a trial begins, ends, or could be promoted. On any other night it only adds a
look: no score so far reaches the critical value of a single look that spends the whole alpha, and a
gain of `effect` would still be detected often enough. The study asserts this with the real function
on a sample of streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import nan, sqrt
from typing import Any

import numpy as np

from benchmarks.arrays import Floats
from benchmarks.gate_study.challengers import NIGHTS, of_night
from benchmarks.ranker_study.kinds import Kind
from ltrr.artifacts.pointer import Canary as Pointed
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate, quantile
from ltrr.estimation.sequential import KEEP, PROMOTE, Look, conditional_power
from ltrr.publishing.canary_trial import review_canary
from ltrr.publishing.challengers import Candidate, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.ranker_gate import RankerCandidate, review_ranker
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import (
    BANDIT_TRIAL,
    CANARY_TRIAL,
    RANKER_TRIAL,
    Challenger,
    FrozenBandit,
    current_trial,
    judge_trial,
)

FIRST = date(2026, 3, 1)
CHECKED = 6
KINDS = (BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL)
_CHAMPION = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
_NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0)


@dataclass(frozen=True)
class Scenario:
    """Settings of the streams of one line of the table.

    Attributes:
        name: for the table.
        kinds: kind -> trials of known true gain.
        impressions: number judged each night, by kind.
        canary_chance: chance that a person starts a canary on a night on which none runs.
        gate: settings.
        nights: of a stream.
    """

    name: str
    kinds: dict[str, Kind]
    impressions: dict[str, int]
    canary_chance: float = 0.0
    gate: GateSettings = field(default_factory=GateSettings)
    nights: int = NIGHTS


@dataclass
class Outcome:
    """Results of streams: night of the first promotion of each kind, 1-based, infinite without; number of trials."""

    promoted: dict[str, Floats]
    begun: dict[str, Floats]

    def any_promoted(self) -> float:
        """Share of streams with a promotion of any kind."""
        return float(np.isfinite(np.minimum.reduce(list(self.promoted.values()))).mean())


def needed(kind: Kind, gate: GateSettings, factor: float) -> int:
    """Impressions each night that detect a gain of `effect`."""
    return round((factor * kind.spread() / gate.effect) ** 2 / gate.life_nights)


def run(scenario: Scenario, streams: int, seed: int) -> Outcome:
    """All streams; a stream ends at its first promotion."""
    rng = np.random.default_rng([seed, sum(map(ord, scenario.name))])
    return _Streams(scenario, streams, rng).run()


class _Streams:
    def __init__(self, scenario: Scenario, streams: int, rng: np.random.Generator) -> None:
        self.scenario, self.size, self.rng, self.gate = scenario, streams, rng, scenario.gate
        self.trials_of: list[tuple[Challenger, ...]] = [()] * streams
        self.pointed: list[Pointed | None] = [None] * streams
        self.is_over = np.zeros(streams, dtype=bool)
        life = self.gate.life_nights
        widths = {BANDIT_TRIAL: 3, CANARY_TRIAL: 6, RANKER_TRIAL: 6}
        self.sums = {kind: np.zeros((streams, widths[kind])) for kind in scenario.kinds}
        self.looks: dict[str, list[list[Look]]] = {kind: [[] for _ in range(streams)] for kind in scenario.kinds}
        self.least = [quantile(1.0 - self.gate.spent(self.gate.share, night)) for night in range(1, life + 1)]
        self.outcome = Outcome(
            {kind: np.full(streams, np.inf) for kind in scenario.kinds},
            {kind: np.zeros(streams) for kind in scenario.kinds},
        )

    def run(self) -> Outcome:
        for night in range(self.scenario.nights):
            seen = {kind: self._seen(kind, night) for kind in self.scenario.kinds}
            for stream in np.flatnonzero(~self.is_over).tolist():
                self._night(stream, night, {kind: (v[stream], e[stream]) for kind, (v, e) in seen.items()})
        return self.outcome

    def _seen(self, kind: str, night: int) -> tuple[Floats, Floats]:
        """Everything since each trial began. Drawn for streams without a trial too: it is cleared when one begins."""
        one, impressions = self.scenario.kinds[kind], of_night(self.scenario.impressions[kind], night)
        self.sums[kind] += one.night(self.rng, impressions, self.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            return one.estimates(self.sums[kind])

    def _night(self, stream: int, night: int, seen: dict[str, tuple[float, float]]) -> None:
        """The kinds in the order of `publish_policy`."""
        day = FIRST + timedelta(days=night)
        if CANARY_TRIAL in seen and self.pointed[stream] is None and self.rng.random() < self.scenario.canary_chance:
            self.pointed[stream] = Pointed(f"{day}-000000000001", 0.1, f"{day}T09:00:00.000+00:00")
        waits = "a canary runs" if self.pointed[stream] else ""
        for kind in self.scenario.kinds:
            trial = current_trial(self.trials_of[stream], kind)
            if trial is None and kind != CANARY_TRIAL and waits:
                continue
            if trial is None:
                self._review(kind, stream, night, _NOTHING, waits)
                continue
            if trial.alpha > 0.0 and not (waits and kind != CANARY_TRIAL):
                look = Look(trial.on(day), Estimate(*seen[kind]))
                if self._is_quiet(kind, stream, look):
                    self.looks[kind][stream].append(look)
                    if stream < CHECKED:
                        self._check(kind, trial, day, look, stream)
                    continue
                self._review(kind, stream, night, self._judgement(kind, look.difference), waits)
            elif trial.on(day) >= self.gate.life_nights:
                self._review(kind, stream, night, _NOTHING, waits)
            if self.outcome.promoted[kind][stream] == night + 1:
                waits = waits or "a bandit is promoted this night"

    def _is_quiet(self, kind: str, stream: int, look: Look) -> bool:
        """Whether the gate can only keep the trial this night."""
        if look.night >= self.gate.life_nights:
            return False
        scores = [one.difference.value / one.difference.standard_error for one in [*self.looks[kind][stream], look]]
        if any(score >= self.least[look.night - 1] for score in scores):
            return False
        error = look.difference.standard_error
        gain = self.gate.effect * self.scenario.kinds[kind].value
        power = conditional_power(scores[-1], error**-2, look.night, gain, self.gate.share, self.gate)
        return power >= self.gate.futile_power

    def _judgement(self, kind: str, difference: Estimate) -> Judgement:
        return Judgement(difference, self.scenario.kinds[kind].value, 1e6, 1e6, 10**6, 10**6, 1)

    def _review(self, kind: str, stream: int, night: int, judgement: Judgement, waits: str) -> None:
        """Review by the real gate of this kind; the trial gets the looks of its quiet nights first."""
        day = FIRST + timedelta(days=night)
        looks = tuple(self.looks[kind][stream]) if kind in self.looks else ()
        trials = tuple(
            replace(one, looks=looks) if one.is_judged and one.kind == kind else one for one in self.trials_of[stream]
        )
        before = current_trial(trials, kind)
        review = self._gate_review(kind, trials, day, night, judgement, waits, stream)
        self.trials_of[stream] = review.challengers
        after = current_trial(review.challengers, kind)
        judged = review.judged if before else None
        if judged is not None and judged.outcome == PROMOTE:
            self.outcome.promoted[kind][stream] = night + 1
            self.is_over[stream] = True
        if after is not None and (before is None or after.trial != before.trial):
            self.outcome.begun[kind][stream] += 1
            self.sums[kind][stream] = 0.0
            self.looks[kind][stream] = []
        if kind == CANARY_TRIAL and judged is not None and not judged.is_judged:
            self.pointed[stream] = None

    def _gate_review(
        self, kind: str, trials: Any, day: date, night: int, judgement: Judgement, waits: str, stream: int
    ) -> Any:
        end = day - timedelta(days=1)
        if kind == BANDIT_TRIAL:
            bandit = FrozenBandit("search", {"bandit.vw": f"b{night}"}, None, ExplorationSettings())
            if waits:
                judgement = replace(judgement, objections=(waits,))
            return review_challenger(trials, day, _CHAMPION, judgement, Candidate(bandit, end), self.gate, waits)
        if kind == RANKER_TRIAL:
            return review_ranker(
                trials, day, "search", "", judgement, RankerCandidate(f"r{night}", end), self.gate, waits
            )
        candidate = FrozenBandit("search", {"bandit.vw": "c", "ranker.ubj": f"c{night}"}, None, ExplorationSettings())
        before = current_trial(trials, CANARY_TRIAL)
        return review_canary(
            trials, day, self.pointed[stream], before.bandit if before else candidate, _CHAMPION, judgement, self.gate
        )

    def _check(self, kind: str, trial: Challenger, day: date, look: Look, stream: int) -> None:
        """Assert on a sample that the real gate keeps the trial on a quiet night."""
        earlier = replace(trial, looks=tuple(self.looks[kind][stream][:-1]))
        now, _ = judge_trial(earlier, day, self._judgement(kind, look.difference), self.gate)
        assert now.outcome == KEEP, (kind, look, now.outcome)


def former_gate(kind: Kind, impressions: int, streams: int, seed: int, window: int = 14) -> float:
    """Share of streams in which a new ranker each night, at level .025 and without a budget, promotes one no better.

    Each night's ranker is another order of the same worth, judged on the last `window` nights; of
    the variance of its difference the share that the newest night does not replace is carried
    along.
    """
    rng = np.random.default_rng([seed, 5])
    nights = [kind.night(rng, impressions, streams) for _ in range(NIGHTS + window)]
    crossed = np.zeros(streams, dtype=bool)
    for end in range(window, NIGHTS + window):
        value, error = kind.estimates(np.sum(nights[end - window : end], axis=0))
        # Rankers of two nights agree on most of their order: eight tenths of the variance is common
        # to all.
        z = sqrt(0.8) * value / error + sqrt(0.2) * rng.normal(size=streams)
        crossed |= z > quantile(0.975)
    return float(crossed.mean())
