"""Simulation of many streams at once; the gate decides when a challenger starts and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from benchmarks.gate_study.challengers import DESIGN, NIGHTS, VALUE, Challenger, night_impressions
from benchmarks.gate_study.window import Window
from ltrr.arrays import Bools, Floats, Longs
from ltrr.estimation.intervals import Estimate, quantile
from ltrr.estimation.sequential import (
    EXPIRED,
    FUTILE,
    HARMED,
    PROMOTE,
    Design,
    Look,
    SliceLook,
    Trial,
    assign_alpha,
    conditional_power,
    judge_looks,
)

CHECKED_STREAMS = 40


@dataclass(frozen=True)
class Scenario:
    """Settings of the streams of one line of the table.

    Attributes:
        name: Label in the table.
        challenger: (number of the challenger, night of its life, night of the stream) -> policy;
            all 0-based.
        impressions: Number of impressions judged each night.
        nights: Number of nights of a stream.
        may_be_futile: Whether the gate stops challengers early for futility.
        gains: Relative gain of each slice; empty without slices.
        salt: Part of the random seed; by default the sum of the code points of the name.
    """

    name: str
    challenger: Callable[[int, int, int], Challenger]
    impressions: int
    nights: int = NIGHTS
    may_be_futile: bool = True
    gains: tuple[float, ...] = ()
    salt: int | None = None


@dataclass
class Outcome:
    """Results of S streams.

    Attributes:
        promoted: Night of the first promotion, 1-based; infinite without a promotion, [S].
        crossed: Whether the gate would have promoted on any night if it ignored slices, [S].
        harmed: Whether the gate rejected a challenger for harm to a slice, [S].
        challengers: Number of challengers until the first promotion, [S].
        scores, information: Looks of the first challenger, [S, life]; NaN after its end.
    """

    promoted: Floats
    crossed: Bools
    harmed: Bools
    challengers: Longs
    scores: Floats
    information: Floats


@dataclass
class Streams:
    """State of the gate in many streams.

    Attributes:
        size: Number of streams.
        design: Settings of the gate.
        trials: Ended trials of each stream.
    """

    size: int
    design: Design
    trials: list[list[Trial]] = field(default_factory=list)

    def __post_init__(self) -> None:
        life = self.design.life_nights
        self.trials = [[] for _ in range(self.size)]
        self.alpha = np.zeros(self.size)
        self.age = np.zeros(self.size, dtype=int)
        self.values, self.errors = np.full((2, self.size, life), np.nan)
        self.is_over = np.zeros(self.size, dtype=bool)
        nothing = np.full((self.size, life), np.nan)
        self.outcome = Outcome(
            np.full(self.size, inf),
            np.zeros(self.size, dtype=bool),
            np.zeros(self.size, dtype=bool),
            np.zeros(self.size, dtype=int),
            nothing.copy(),
            nothing.copy(),
        )

    def begin(self, night: int) -> Bools:
        """Start a challenger in each stream without one, if alpha is left; return which started."""
        begun = np.zeros(self.size, dtype=bool)
        for stream in np.flatnonzero(~self.is_over & (self.alpha == 0.0)):
            self.alpha[stream] = assign_alpha(self.trials[stream], night, self.design)
            begun[stream] = self.alpha[stream] > 0.0
        self.age[begun] = 0
        self.values[begun] = self.errors[begun] = np.nan
        self.outcome.challengers += begun
        return begun

    @property
    def is_judged(self) -> Bools:
        """Whether each stream has a challenger this night, [S]."""
        return ~self.is_over & (self.alpha > 0.0)

    def look(
        self,
        night: int,
        values: Floats,
        errors: Floats,
        slices: Callable[[int], dict[str, SliceLook]],
        *,
        futility: bool,
    ) -> None:
        """Add one look to every trial, and end the trials that the gate decides."""
        judged = np.flatnonzero(self.is_judged)
        self.age[judged] += 1
        age = self.age[judged]
        self.values[judged, age - 1], self.errors[judged, age - 1] = values[judged], errors[judged]
        first = judged[self.outcome.challengers[judged] == 1]
        self.outcome.scores[first, self.age[first] - 1] = values[first] / errors[first]
        self.outcome.information[first, self.age[first] - 1] = errors[first] ** -2
        critical = np.array([quantile(1.0 - self.design.spent(self.design.share, k)) for k in range(1, 15)])
        with np.errstate(invalid="ignore"):
            may_promote = (self.values[judged] / self.errors[judged] >= critical[: self.design.life_nights]).any(axis=1)
        futile = np.zeros(len(judged), dtype=bool)
        if futility:
            futile = ~may_promote & (age < self.design.life_nights) & self.is_futile(judged, age)
        for place, stream in enumerate(judged):
            outcome = FUTILE if futile[place] else EXPIRED if age[place] == self.design.life_nights else ""
            if may_promote[place]:
                outcome = self.judge(int(stream), slices, futility=futility)
            elif stream < CHECKED_STREAMS:
                by_gate = self.judge(int(stream), slices, futility=futility)
                assert by_gate == outcome, (by_gate, outcome)
            if outcome:
                self.end(int(stream), night, outcome)

    def judge(self, stream: int, slices: Callable[[int], dict[str, SliceLook]], *, futility: bool) -> str:
        """Outcome of a trial by the gate; empty if the trial goes on."""
        pairs = zip(self.values[stream], self.errors[stream], strict=True)
        looks = [Look(at, Estimate(*pair)) for at, pair in enumerate(pairs, start=1)][: self.age[stream]]
        design = self.design if futility else replace(self.design, futile_power=0.0)
        step = judge_looks(looks, float(self.alpha[stream]), VALUE, slices(stream), design)
        self.outcome.crossed[stream] |= step.outcome == PROMOTE or bool(step.slices)
        return step.outcome if step.outcome in {PROMOTE, FUTILE, HARMED, EXPIRED} else ""

    def is_futile(self, judged: Longs, age: Longs) -> Bools:
        """Whether `conditional_power` is below `futile_power`, for each judged stream."""
        newest = self.values[judged, age - 1], self.errors[judged, age - 1]
        gain = self.design.effect * VALUE
        return np.array(
            [
                conditional_power(value / error, error**-2, int(k), gain, self.design.share, self.design)
                < self.design.futile_power
                for value, error, k in zip(*(one.tolist() for one in newest), age, strict=True)
            ],
            dtype=bool,
        )

    def end(self, stream: int, night: int, outcome: str) -> None:
        """End the challenger; a promotion ends the stream."""
        self.trials[stream].append(Trial(float(self.alpha[stream]), night, outcome == PROMOTE))
        self.alpha[stream] = 0.0
        self.outcome.harmed[stream] |= outcome == HARMED
        if outcome == PROMOTE:
            self.outcome.promoted[stream] = night + 1
            self.is_over[stream] = True


def run(scenario: Scenario, streams: int, seed: int, design: Design = DESIGN) -> Outcome:
    """Simulate streams in which every impression is its own user."""
    salt = sum(map(ord, scenario.name)) if scenario.salt is None else scenario.salt
    rng = np.random.default_rng([seed, salt])
    state, groups = Streams(streams, design), max(len(scenario.gains), 1)
    window = Window.empty(streams, groups)
    for night in range(scenario.nights):
        window.clear(state.begin(night))
        judged = state.is_judged
        impressions = night_impressions(scenario.impressions, night)
        # Challengers with the same number and age draw from the same cells.
        places = state.outcome.challengers * 1_000 + state.age
        for place in np.unique(places[judged]):
            rows = judged & (places == place)
            challenger = scenario.challenger(int(place // 1_000) - 1, int(place % 1_000), night)
            for group in range(groups):
                slice_gain = scenario.gains[group] if scenario.gains else challenger.gain
                chances, terms = replace(challenger, gain=slice_gain).cells()
                counts = rng.multinomial(impressions // groups, chances, size=int(rows.sum()))
                window.add(rows, group, counts, terms)
        values, errors = window.estimates()
        state.look(night, values, errors, window.slices, futility=scenario.may_be_futile)
    return state.outcome
