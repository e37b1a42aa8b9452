"""Settings of the query-to-entity memory."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class MemorySettings:
    """Decay and shrinkage of the memory's evidence, and size of the published memory.

    Attributes:
        half_life_days: Age, in days, at which a click counts half.
        horizon_weeks: Number of weeks of evidence that the memory is computed from. With the
            default half-life, the oldest week weighs 1/64.
        entity_prior_examinations: Weight, in examinations, of the global click rate in the
            predicted score of an entity.
        fewest_prior_examinations: Minimum, in examinations, of the fitted weight k of the predicted
            score in the score.
        most_prior_examinations: Maximum, in examinations, of the fitted weight k of the predicted
            score. k has this value if click rates of query and entity do not differ from the
            predicted ones more than by chance.
        interval_sigmas: Half-width of the interval of a score, in standard deviations of a normal
            distribution.
        entities_per_query: Maximum number of entities per query in the published memory.
        keep_nights: Number of nights that the table `q2e_memory` keeps. Earlier nights are dropped
            as each night is written; the published bundles keep their own copy.
        parts: Number of files of the published memory, split by a hash of query_key. One task holds
            one part in memory.
    """

    half_life_days: float = 30.0
    horizon_weeks: int = 26
    entity_prior_examinations: float = 20.0
    fewest_prior_examinations: float = 0.5
    most_prior_examinations: float = 1000.0
    interval_sigmas: float = 1.6449
    entities_per_query: int = 50
    keep_nights: int = 7
    parts: int = 4

    def __post_init__(self) -> None:
        """Check the ranges.

        >>> MemorySettings(parts=0)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: memory.parts: expected >= 1, got 0
        """
        rules = (
            ("half_life_days", self.half_life_days > 0, "> 0"),
            ("horizon_weeks", self.horizon_weeks >= 1, ">= 1"),
            ("entity_prior_examinations", self.entity_prior_examinations > 0, "> 0"),
            ("fewest_prior_examinations", self.fewest_prior_examinations > 0, "> 0"),
            (
                "most_prior_examinations",
                self.most_prior_examinations >= self.fewest_prior_examinations,
                ">= fewest_prior_examinations",
            ),
            ("interval_sigmas", self.interval_sigmas > 0, "> 0"),
            ("entities_per_query", self.entities_per_query >= 1, ">= 1"),
            ("keep_nights", self.keep_nights >= 1, ">= 1"),
            ("parts", self.parts >= 1, ">= 1"),
        )
        check_ranges("memory", self, rules)
