"""Fitted curves -> rows of the table `examination`, each with the source of its estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltrr.clicks.examination import FIXED_POINT_UNIT, extend_curve, prior_curve
from ltrr.clicks.fit import EVERY_SURFACE, CurveFit
from ltrr.clicks.settings import ClickSettings


@dataclass(frozen=True)
class CurveRow:
    """One row of `examination`, without its date."""

    surface: str
    position: int
    examination: float
    standard_error: float | None
    method: str
    is_identified: bool
    impressions: int


def curve_rows(fit: CurveFit | None, shown: Mapping[tuple[str, int], int], settings: ClickSettings) -> list[CurveRow]:
    """Rows of each surface down to its deepest position, and of `*` down to `max_positions`.

    The surface `*` stands for all surfaces together.

    A position has the surface's own estimate if the fit identifies it. Otherwise it borrows the
    estimate of all surfaces together if that is identified. Otherwise it has the prior, continued
    from the nearest known position before it.

    Args:
        fit: Fitted curves; None if there were no slates.
        shown: (surface, position) -> number of slate rows.
        settings: Prior and deepest position.

    >>> rows = curve_rows(None, {}, ClickSettings(max_positions=2))
    >>> [(row.position, row.examination, row.method) for row in rows]
    [(1, 1.0, 'prior'), (2, 0.5, 'prior')]
    """
    prior = prior_curve(settings.max_positions, settings.prior_exponent)
    deepest = {EVERY_SURFACE: settings.max_positions}
    for surface, position in shown:
        deepest[surface] = max(deepest.get(surface, 0), position)
    fitted_curves = fit.curves if fit else {}
    own_method = fit.method if fit else ""
    rows = []
    for surface in sorted(deepest):
        curve, errors = prior.copy(), np.full(prior.size, np.nan)
        method = np.full(prior.size, "prior", dtype=object)
        # The surface's own curve comes last, so that it replaces a borrowed one.
        for lender in (EVERY_SURFACE, surface):
            if lender not in fitted_curves:
                continue
            fitted = fitted_curves[lender]
            known = np.flatnonzero(fitted.is_identified)
            curve[known], errors[known] = fitted.examination[known], fitted.standard_error[known]
            method[known] = own_method if lender == surface else "borrowed"
        curve = extend_curve(curve, method != "prior", prior)
        errors[0] = np.nan
        # Rounded to the fixed-point unit: the last bits of a linear solver must not reach the exact
        # evidence.
        curve = np.rint(curve / FIXED_POINT_UNIT) * FIXED_POINT_UNIT
        rows += [
            CurveRow(
                surface,
                j + 1,
                float(curve[j]),
                None if np.isnan(errors[j]) else float(errors[j]),
                str(method[j]),
                method[j] == own_method,
                _impressions(shown, surface, j + 1),
            )
            for j in range(deepest[surface])
        ]
    return rows


def _impressions(shown: Mapping[tuple[str, int], int], surface: str, position: int) -> int:
    if surface != EVERY_SURFACE:
        return shown.get((surface, position), 0)
    return sum(count for (_, at), count in shown.items() if at == position)
