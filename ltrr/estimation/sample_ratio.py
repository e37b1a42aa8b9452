"""Sample-ratio mismatch: an anytime-valid test of the sizes of two randomly drawn groups.

Each new user is drawn into the first group with a known probability, independently of the past. The
ratio of the beta-binomial likelihood of the counts to their binomial likelihood is then a
martingale with mean 1. So the probability that it ever exceeds 1 / level is at most `level`
(Ville's inequality). Repeated looks spend no alpha, and no normal approximation is used. Lindon &
Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

PRIOR_USERS = 100.0
"""Weight of the prior, in users.

The test detects all wrong shares, and most quickly those wrong by some tens of percent."""


def compute_ratio_p_value(drawn: int, others: int, share: float) -> float:
    """Anytime-valid p-value of the hypothesis that each user was drawn with probability `share`.

    Args:
        drawn: Number of users of the first group.
        others: Number of users of the second group.
        share: Probability of the first group, above 0 and below 1.

    >>> compute_ratio_p_value(300, 2_700, 0.1), compute_ratio_p_value(0, 0, 0.1)
    (1.0, 1.0)
    >>> compute_ratio_p_value(700, 9_300, 0.1) < 1e-8
    True
    """
    prior = PRIOR_USERS * share, PRIOR_USERS * (1.0 - share)
    mixed = _log_beta(prior[0] + drawn, prior[1] + others) - _log_beta(*prior)
    evidence = mixed - drawn * log(share) - others * log1p(-share)
    return min(1.0, exp(-evidence)) if evidence < 700.0 else 0.0


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
