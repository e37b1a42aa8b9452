"""The registry: every estimator of a policy's value, each a sum of ratios of exact sums.

An estimator is a declaration: its terms and ratios, what it needs, and what it assumes. The nightly
jobs, `ltrr ope` and `ltrr ope-draws` read the estimators and their use from here. To add an
estimator, declare it here. If it needs a new term, add the term to `estimation.decisions` or
`estimation.draw_terms`.

**Fixed action sets** (`ESTIMATORS`). With w = P_target(a) / P_logging(a), reward r, q the reward
model, q(a) its value of the action taken and v = sum over actions of P_target(a') q(a'):

    ips              mean(w r)
    snips            sum(w r) / sum(w)
    clipped_ips      mean(min(w, M) r)
    clipped_snips    sum(min(w, M) r) / sum(min(w, M))
    sg               mean(w / (1 - 1/M + w/M) r)
    dm               mean(v)
    dr               mean(v) + mean(w (r - q))
    sndr             mean(v) + sum(w (r - q)) / sum(w)
    switch_dr        mean(v) + mean(w 1{w <= M} (r - q))
    dros             mean(v) + mean(M^2 w / (w^2 + M^2) (r - q))

Five of them cut weights, all by one number M: a cut weight is at most M, in dros at most M / 2.

Horvitz & Thompson, JASA 1952 (ips); Swaminathan & Joachims, NeurIPS 2015 (snips); Ionides, JCGS
2008 (clipping: M of the order of sqrt(n); Swaminathan & Joachims, JMLR 2015, cut and self-normalise
both); Dudik et al., ICML 2011 (dm, dr); Robins et al., 2007 and Thomas & Brunskill, ICML 2016
(sndr); Wang et al., ICML 2017 (switch_dr); Su et al., ICML 2020 (dros, optimistic shrinkage);
Metelli et al., NeurIPS 2021 (sg, sub-Gaussian weights).

**Draw by draw** (`DRAW_ESTIMATORS`). The symbols:

    w           P_target(set) / P_logging(set), summed over all orders
    rho_t       product of the ratios of the first t draws, in the logged order
    r_t, r      reward of the entities that draw t was the first to return; r = sum of r_t
    q, v        value of the plan drawn, and the mean value under the target
    Q_t, V_t    reward-to-go of draw t, and its mean under the target (`estimation.reward_to_go`)

    sequence_ips               mean(rho_T r)
    union                      sum(w r) / sum(w)
    union_ips                  mean(w r)
    union_dr                   mean(v) + mean(w (r - q))
    union_sndr                 mean(v) + sum(w (r - q)) / sum(w)
    pdis                       mean(sum of rho_t r_t)
    cascade_dr                 mean(sum of rho_{t-1} V_t + rho_t (r_t - Q_t))
    inclusion, inclusion_dr    see `estimation.inclusion`
    placement, placement_dr    see `estimation.placement`
    iips, pi                   see `estimation.slots`

Estimators that weight single draws, or entities at any position, need a reward that later draws do
not change: `found_reward`. On `page_reward` they are biased, because a later draw moves entities
down the page or off it.

Precup et al., ICML 2000, and McInerney et al., KDD 2020 (pdis, RIPS: reward interaction inverse
propensity scoring); Jiang & Li, ICML 2016, and Kiyohara et al., WSDM 2022 (cascade_dr).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ltrr.errors import UsageError
from ltrr.estimation.decisions import CUTS, TERMS

Ratios = tuple[tuple[str, str], ...]
"""Pairs of terms (numerator, denominator); the ratios add up to the estimate."""


class ModelUse(StrEnum):
    """How an estimator uses the reward model."""

    NONE = "none"
    """The estimator needs no reward model."""

    CORRECTED = "corrected"
    """Weighted residuals correct the model's error: the model only narrows the interval."""

    TRUSTED_WHERE_CUT = "trusted where cut"
    """The model replaces the weight that is cut off."""

    ALONE = "alone"
    """The estimate rests on the model alone."""


@dataclass(frozen=True)
class Estimator:
    """One estimator of a policy's value.

    Args:
        name: Name in options, tables and reports.
        ratios: (numerator, denominator) terms whose ratios add up to the estimate.
        assumes: Its assumptions besides correct propensities, as text.
    """

    name: str
    ratios: Ratios
    assumes: str

    @property
    def terms(self) -> frozenset[str]:
        """All terms of the ratios."""
        return frozenset(term for ratio in self.ratios for term in ratio)

    @property
    def joined_ratios(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Ratios joined by denominator: (numerators, denominator).

        >>> ESTIMATORS["dr"].joined_ratios, ESTIMATORS["sndr"].joined_ratios
        (((('direct', 'residual'), 'n'),), ((('direct',), 'n'), (('residual',), 'w')))
        """
        numerators: dict[str, tuple[str, ...]] = {}
        for numerator, denominator in self.ratios:
            numerators[denominator] = (*numerators.get(denominator, ()), numerator)
        return tuple((joined, denominator) for denominator, joined in numerators.items())


@dataclass(frozen=True)
class DecisionEstimator(Estimator):
    """An estimator of logs with a fixed action set.

    Args:
        model: How it uses the reward model.
        cut: Name of the cut in `CUTS` that it applies, or empty.
        needs_right_propensities_only: Whether it assumes only that the propensities are correct, up
            to a bias of 1/n. All such estimators of a log estimate one number and are compared with
            each other.
        is_nightly: Whether the nightly evaluation reports it. Such an estimator cannot cut weights,
            because the nightly jobs set no M.
        decides: Whether the promotion gate uses it.
    """

    model: ModelUse = ModelUse.NONE
    cut: str = ""
    needs_right_propensities_only: bool = False
    is_nightly: bool = False
    decides: bool = False

    def __post_init__(self) -> None:
        if self.is_nightly and self.cut:
            raise UsageError(
                "an estimator of the nightly report cuts weights",
                which=self.name,
                expected="no cut, because the nightly jobs set no M",
                got=self.cut,
            )

    @property
    def needs_model(self) -> bool:
        """Whether it needs q, and so the target's probability of *every* action."""
        return any(TERMS[term].needs_model for term in self.terms)


@dataclass(frozen=True)
class DrawEstimator(Estimator):
    """An estimator of logs made draw by draw.

    Args:
        weight: Term of its weights: "w" of the set, "rho" of the sequence, or "additive" of
            independent slots. Empty if each entity has a weight of its own.
        rests_on: Term of weighted rewards from which its evidence R is computed.
        needs: What the log or a model must provide for its terms, as text.
        found_only: Whether it is correct for `found_reward` only.
        page_only: Whether it is meant for `page_reward` only.
        design: Terms of the expected sums of w and of w^2
            (`estimation.inclusion.inclusion_design`). The effective sample of an estimator without
            a weight is computed from them.
        equals: Name of the estimator of the same number if the assumption is true, or empty.
    """

    weight: str
    rests_on: str
    needs: str
    found_only: bool = False
    page_only: bool = False
    design: tuple[str, str] | None = None
    equals: str = ""


_Kind = TypeVar("_Kind", bound=Estimator)


def _by_name(*estimators: _Kind) -> dict[str, _Kind]:
    return {estimator.name: estimator for estimator in estimators}


_DIRECT = ("direct", "n")
_CUT = "that the weights cut off matter little: look at the share that is cut"

ESTIMATORS: dict[str, DecisionEstimator] = _by_name(
    DecisionEstimator(
        "ips",
        (("weighted", "n"),),
        "nothing more: unbiased, of high variance",
        needs_right_propensities_only=True,
        is_nightly=True,
    ),
    DecisionEstimator(
        "snips",
        (("weighted", "w"),),
        "many decisions: its bias falls as 1/n",
        needs_right_propensities_only=True,
        is_nightly=True,
    ),
    DecisionEstimator("clipped_ips", (("clipped_reward", "n"),), _CUT, cut="clipped"),
    DecisionEstimator("clipped_snips", (("clipped_reward", "clipped"),), _CUT, cut="clipped"),
    DecisionEstimator("sg", (("sub_gaussian_reward", "n"),), _CUT, cut="sub_gaussian"),
    DecisionEstimator(
        "dm", (_DIRECT,), "that q-hat is right: the interval does not contain its error", model=ModelUse.ALONE
    ),
    DecisionEstimator(
        "dr",
        (_DIRECT, ("residual", "n")),
        "nothing more: unbiased for any cross-fitted q-hat",
        model=ModelUse.CORRECTED,
        needs_right_propensities_only=True,
        is_nightly=True,
        decides=True,
    ),
    DecisionEstimator(
        "sndr",
        (_DIRECT, ("residual", "w")),
        "many decisions: its bias falls as 1/n",
        model=ModelUse.CORRECTED,
        needs_right_propensities_only=True,
    ),
    DecisionEstimator(
        "switch_dr",
        (_DIRECT, ("switched_residual", "n")),
        "that q-hat is right where weights exceed M",
        model=ModelUse.TRUSTED_WHERE_CUT,
        cut="switched",
    ),
    DecisionEstimator(
        "dros",
        (_DIRECT, ("shrunk_residual", "n")),
        "that q-hat is right where weights are large",
        model=ModelUse.TRUSTED_WHERE_CUT,
        cut="shrunk",
    ),
)
"""Estimators of logs with a fixed action set, in the order of reports."""

BY_USER = DecisionEstimator(
    "by_user",
    ESTIMATORS["snips"].ratios,
    "many users: its bias falls as 1/users",
    needs_right_propensities_only=True,
    decides=True,
)
"""The estimator of a canary: `snips` with versions drawn by user, so a weight is 1 / P(version)."""

_PATH = "propensities of each draw after the draws before it"
_ORDERS = "propensities in every state that leads to the same draws, not only in the order of the log"
_Q_HAT = f"a model of what each plan earns, and {_ORDERS}"
_TO_GO = "a model of the reward-to-go, fitted for this target"
_CONTENTS = "the contents of every block that might have been drawn"
_SLOTS = "slots filled independently of each other, with the logged probability of all slots together (column joint)"
_PAGES = "the pages of all plans that might have been drawn"
_ALONE = "that a click depends on the entity and its position alone"
_EARLIER = "that no later draw changes what an earlier one earns: found_reward"
_MANY = "many impressions: its bias falls as 1/n"
_DESIGN = ("included_mass", "included_squares")

DRAW_ESTIMATORS: dict[str, DrawEstimator] = _by_name(
    DrawEstimator(
        "sequence_ips",
        (("sequence_weighted", "n"),),
        "nothing more: unbiased, of high variance",
        "rho",
        "sequence_weighted",
        _PATH,
    ),
    DrawEstimator("union", (("weighted", "w"),), _MANY, "w", "weighted", _ORDERS),
    DrawEstimator("union_ips", (("weighted", "n"),), "nothing more: unbiased", "w", "weighted", _ORDERS),
    DrawEstimator(
        "union_dr",
        (_DIRECT, ("residual", "n")),
        "nothing more: unbiased for any cross-fitted q-hat",
        "w",
        "weighted",
        _Q_HAT,
    ),
    DrawEstimator("union_sndr", (_DIRECT, ("residual", "w")), _MANY, "w", "weighted", _Q_HAT),
    DrawEstimator("pdis", (("per_draw", "n"),), _EARLIER, "rho", "per_draw", _PATH, found_only=True, equals="union"),
    DrawEstimator("cascade_dr", (("cascade", "n"),), _EARLIER, "rho", "per_draw", _TO_GO, found_only=True),
    DrawEstimator(
        "inclusion", (("included", "n"),), _EARLIER, "", "included", _CONTENTS, found_only=True, design=_DESIGN
    ),
    DrawEstimator(
        "inclusion_dr",
        (("included_dr", "n"),),
        _EARLIER,
        "",
        "included",
        _CONTENTS,
        found_only=True,
        design=_DESIGN,
    ),
    DrawEstimator("placement", (("placed", "n"),), _ALONE, "", "placed", _PAGES, page_only=True),
    DrawEstimator("placement_dr", (("placed_dr", "n"),), _ALONE, "", "placed", _PAGES, page_only=True),
    DrawEstimator("iips", (("slots_weighted", "n"),), "that slots do not interact", "", "slots_weighted", _SLOTS),
    DrawEstimator("pi", (("additive_weighted", "n"),), "that slots add up", "additive", "additive_weighted", _SLOTS),
)
"""Estimators of logs made draw by draw, in the order of reports."""


def list_nightly_estimators() -> tuple[DecisionEstimator, ...]:
    """The estimators of the nightly report, in the order of the registry.

    >>> [estimator.name for estimator in list_nightly_estimators()]
    ['ips', 'snips', 'dr']
    """
    return tuple(estimator for estimator in ESTIMATORS.values() if estimator.is_nightly)


def list_deciding_estimators() -> tuple[DecisionEstimator, ...]:
    """The estimators that the promotion gate uses: one for policies, one for canaries.

    Raises:
        UsageError: The registry does not have exactly one deciding estimator for policies, or this
            estimator is not in the nightly report.

    >>> [estimator.name for estimator in list_deciding_estimators()]
    ['dr', 'by_user']
    """
    deciding = [estimator for estimator in ESTIMATORS.values() if estimator.decides]
    if [estimator.is_nightly for estimator in deciding] != [True]:
        raise UsageError(
            "the gate needs one estimator",
            which="ESTIMATORS",
            expected="one estimator with decides=True and is_nightly=True",
            got=", ".join(estimator.name for estimator in deciding) or "none",
            todo="set decides on one estimator only",
        )
    return (*deciding, BY_USER)


def list_names_without_model() -> tuple[str, ...]:
    """Names of the estimators that need no reward model, in the order of the registry.

    >>> list_names_without_model()
    ('ips', 'snips', 'clipped_ips', 'clipped_snips', 'sg')
    """
    return tuple(name for name, estimator in ESTIMATORS.items() if not estimator.needs_model)


def list_ratio_terms(*, has_model: bool) -> tuple[str, ...]:
    """Terms of ratios, whose products are kept, in the order of `TERMS`.

    >>> list_ratio_terms(has_model=False)
    ('n', 'w', 'weighted', 'clipped', 'clipped_reward', 'sub_gaussian_reward')
    """
    used = {"n", "w", "weighted"}.union(*(estimator.terms for estimator in ESTIMATORS.values()))
    return tuple(name for name, term in TERMS.items() if name in used and (has_model or not term.needs_model))


SAMPLED_TERMS = ("rows", "n_squared", "w_n")
"""Further plain terms of a log of sampled decisions: number of rows, s^2 and s^2 w."""


def list_plain_terms(*, is_sampled: bool = False) -> tuple[str, ...]:
    """Terms without products: only their totals are kept, because no ratio uses them.

    >>> list_plain_terms()
    ('w_squared', 'weighted_squared', 'sub_gaussian', 'switched', 'shrunk', 'unsupported')
    """
    crossed, used = list_ratio_terms(has_model=False), {estimator.cut for estimator in ESTIMATORS.values()}
    return (
        "w_squared",
        "weighted_squared",
        *(cut for cut in CUTS if cut in used and cut not in crossed),
        "unsupported",
        *(SAMPLED_TERMS if is_sampled else ()),
    )
