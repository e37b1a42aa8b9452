"""The registry of click models, which estimate examination by position.

The setting `clicks.model` names one. To add a model, write its fit function in a module of its own
and add one line to `CLICK_MODELS` (docs/how-to/add-a-click-model.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from ltrr.clicks.fit import CurveFit, fit_position_based
from ltrr.clicks.settings import ClickSettings
from ltrr.errors import ConfigError

Fit = Callable[[DataFrame, Sequence[str], int, ClickSettings], CurveFit]
"""(slate rows, surfaces, positions, settings) -> curves.

Slate rows have log_date, user_key, impression_id, surface, query_key, entity_id, position and
clicks; rows of excluded users are removed. `surfaces` names the surfaces that show slates, at least
one. Curves run over positions 1..`positions`, where the last one stands for all later positions
(`ltrr.clicks.pairs.modelled_position`). There is one curve for each surface and one for all
together (`EVERY_SURFACE`). The result must not depend on partitions or on the order of rows.
"""


@dataclass(frozen=True)
class ClickModel:
    """A method to estimate examination.

    Attributes:
        fit: Fit function.
        meaning: One-line description.
    """

    fit: Fit
    meaning: str


def click_model(name: str) -> ClickModel:
    """The click model of a name.

    >>> click_model("cascade")
    Traceback (most recent call last):
    ltrr.errors.ConfigError: unknown click model: clicks.model: expected position_based, got cascade

    Raises:
        ConfigError: The registry has no model of this name.
    """
    if name not in CLICK_MODELS:
        raise ConfigError("unknown click model", which="clicks.model", expected=", ".join(CLICK_MODELS), got=name)
    return CLICK_MODELS[name]


CLICK_MODELS: dict[str, ClickModel] = {
    "position_based": ClickModel(
        fit_position_based, "position-based model: P(click) = examination[position] * attractiveness[pair], by EM"
    ),
}
