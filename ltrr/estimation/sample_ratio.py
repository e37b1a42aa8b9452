"""Sample-ratio mismatch: an anytime-valid test of whether two groups have the sizes that their draw promises.

Each new user is drawn into the first group with a known probability, whatever happened before.
Under that draw the ratio of the beta-binomial likelihood of the counts to their binomial likelihood
is a martingale of mean 1. So the probability that it ever exceeds 1 / level is at most `level`
(Ville). Repeated looks spend no alpha, and no normal approximation is involved. Lindon & Malek,
"Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

STRENGTH = 100.0
"""Weight of the prior, in users: it detects shares that are wrong by some tens of percent best, and all others too."""


def compute_ratio_p_value(drawn: int, others: int, share: float) -> float:
    """An anytime-valid p-value of "each of drawn + others users was drawn with probability `share`".

    Args:
        drawn: Number of users of the first group.
        others: Number of users of the second group.
        share: Probability of the first group, above 0 and below 1.

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
