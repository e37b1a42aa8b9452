"""Fit of the position-based model.

Each iteration is one Spark pass over the pairs; the driver then computes the next curve. A pass is
stateless. The curves go to the tasks, each task computes the attractiveness of its pairs and
discards it, and Spark adds up whole-number sums. So the lineage does not grow with the passes,
nothing on the driver grows with the data, and the result does not depend on partitions or their
order. On a hundred executors it is the same few passes over a cached set of linking pairs; a task
returns 2 J + 3 J^2 numbers per curve, J <= 20.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Bools, Floats
from ltrr.clicks.examination import (
    CurvePrior,
    CurveSums,
    improve_curve,
    linked_positions,
    prior_curve,
    standard_errors,
)
from ltrr.clicks.pairs import to_linking_pairs
from ltrr.clicks.settings import ClickSettings

log = logging.getLogger(__name__)

# Curve of all surfaces together, for positions that the data of one surface cannot identify.
EVERY_SURFACE = "*"
METHOD = "position_based_em"
_CELLS = "curve string, cell int, value bigint"


@dataclass(frozen=True)
class FittedCurve:
    """Curve over positions 1..J.

    Attributes:
        examination: [J] examination relative to position 1.
        standard_error: [J] its standard errors.
        is_identified: [J] whether the data identify the position.
    """

    examination: Floats
    standard_error: Floats
    is_identified: Bools


@dataclass(frozen=True)
class CurveFit:
    """All curves of a click model.

    Attributes:
        curves: Curve of each surface and of all together (`EVERY_SURFACE`).
        iterations: Number of passes over the data.
        is_converged: Whether the fit converged.
        method: Method that `examination` names for a position with an estimate of its own.
    """

    curves: Mapping[str, FittedCurve]
    iterations: int
    is_converged: bool
    method: str


def fit_position_based(
    slate_rows: DataFrame, surfaces: Sequence[str], positions: int, settings: ClickSettings
) -> CurveFit:
    """Fit the position-based model on slate rows; Spark caches the linking pairs meanwhile.

    Args:
        slate_rows: Rows with surface, query_key, entity_id, position and clicks.
        surfaces: Names of the surfaces that show slates.
        positions: J, the deepest position to fit.
        settings: Prior, tolerance, maximum number of passes.
    """
    pairs = to_linking_pairs(slate_rows, settings.max_positions).persist()
    fit = fit_curves(pairs, surfaces, positions, settings)
    pairs.unpersist()
    return fit


def fit_curves(pairs: DataFrame, surfaces: Sequence[str], positions: int, settings: ClickSettings) -> CurveFit:
    """Fit one curve for each surface and one for all together.

    Args:
        pairs: Pairs, as `to_linking_pairs` gives them. Every pass reads them, so cache them.
        surfaces: Names of the surfaces that show slates.
        positions: J, the deepest position to fit.
        settings: Prior, tolerance, maximum number of passes.
    """
    # A single surface has the curve of all surfaces, so it is not fitted twice.
    names = [EVERY_SURFACE, *(surfaces if len(surfaces) > 1 else [])]
    prior = CurvePrior(prior_curve(positions, settings.prior_exponent), settings.prior_clicks)
    curves = dict.fromkeys(names, prior.curve)
    nothing = CurveSums.of(np.zeros((0, positions)), np.zeros((0, positions)), prior.curve)
    sums = dict.fromkeys(names, nothing)
    iterations, moved = 0, np.inf
    while moved > settings.tolerance and iterations < settings.max_iterations:
        sums = {**dict.fromkeys(names, nothing), **_sum_pairs(pairs, curves)}
        better = {name: improve_curve(curve, sums[name], prior) for name, curve in curves.items()}
        moved = max(float(np.abs(np.log(better[name] / curves[name])).max()) for name in names)
        curves = better
        iterations += 1
    is_converged = moved <= settings.tolerance
    if not is_converged:
        log.warning("examination has not converged: passes=%d last_change=%.2g", iterations, moved)
    fitted = {
        name: FittedCurve(
            curve,
            standard_errors(curve, sums[name], prior),
            linked_positions(sums[name].links, settings.min_linking_pairs),
        )
        for name, curve in curves.items()
    }
    return CurveFit({**dict.fromkeys(surfaces, fitted[EVERY_SURFACE]), **fitted}, iterations, is_converged, METHOD)


def _sum_pairs(pairs: DataFrame, curves: Mapping[str, Floats]) -> dict[str, CurveSums]:
    sums = pairs.mapInArrow(_summing_task(curves), _CELLS).groupBy("curve", "cell").agg(F.sum("value").alias("value"))
    found = sums.toArrow()
    by_curve = {}
    for name in pc.unique(found["curve"]).to_pylist():
        of_curve = found.filter(pc.equal(found["curve"], name)).sort_by("cell")
        by_curve[name] = CurveSums.of_cells(of_curve["value"].to_numpy())
    return by_curve


def _summing_task(
    curves: Mapping[str, Floats],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Task of one pass: sums of its pairs for each curve, one row per number."""

    def sum_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals: dict[str, CurveSums] = {}
        for batch in batches:
            impressions, clicks = _dense_counts(batch, next(iter(curves.values())).size)
            surface = batch.column("surface").to_numpy(zero_copy_only=False)
            for name, curve in curves.items():
                rows = np.ones(len(surface), dtype=np.bool_) if name == EVERY_SURFACE else surface == name
                sums = CurveSums.of(impressions[rows], clicks[rows], curve)
                totals[name] = totals[name] + sums if name in totals else sums
        for name, total in totals.items():
            cells = total.cells()
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array([name] * cells.size, pa.string()),
                    pa.array(np.arange(cells.size), pa.int32()),
                    pa.array(cells, pa.int64()),
                ],
                names=["curve", "cell", "value"],
            )

    return sum_batches


def _dense_counts(batch: pa.RecordBatch, positions: int) -> tuple[Floats, Floats]:
    """[pairs, J] impressions and clicks from the three arrays of each row."""
    listed = batch.column("positions")
    rows = np.repeat(np.arange(batch.num_rows), pc.list_value_length(listed).to_numpy())
    columns = listed.flatten().to_numpy() - 1
    dense = np.zeros((2, batch.num_rows, positions))
    for layer, name in zip(dense, ("impressions", "clicks"), strict=True):
        layer[rows, columns] = batch.column(name).flatten().to_numpy()
    return dense[0], dense[1]
