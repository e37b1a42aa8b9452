"""Sample-ratio mismatch: do two groups have the sizes that their draw promises, looked at as often as one likes?

Each new user is drawn into the first group with a known probability, whatever happened before. Under that draw the
ratio of the beta-binomial likelihood of the counts to their binomial likelihood is a martingale of mean 1, so it ever
exceeds 1 / level with probability at most `level` (Ville). Lindon & Malek, "Anytime-Valid Inference for Multinomial
Count Data", NeurIPS 2022. A night that looks again spends nothing; no normal approximation is involved.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

STRENGTH = 100.0
"""Users that the prior counts for: it fits shares that are wrong by some tens of percent best, and finds all others."""


def compute_ratio_p_value(drawn: int, others: int, share: float) -> float:
    """An anytime-valid p-value of "each of drawn + others users was drawn with probability `share`".

    Args:
        drawn: users of the first group.
        others: users of the second group.
        share: probability of the first group, above 0 and below 1.

    >>> compute_ratio_p_value(300, 2_700, 0.1), compute_ratio_p_value(0, 0, 0.1)
    (1.0, 1.0)
    >>> compute_ratio_p_value(700, 9_300, 0.1) < 1e-8
    True
    """
    prior = STRENGTH * share, STRENGTH * (1.0 - share)
    mixed = _log_beta(prior[0] + drawn, prior[1] + others) - _log_beta(*prior)
    evidence = mixed - drawn * log(share) - others * log1p(-share)
    return min(1.0, exp(-evidence)) if evidence < 700.0 else 0.0


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
