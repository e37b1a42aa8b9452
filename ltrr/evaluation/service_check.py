"""Check of the propensities that a decision service logged: no bundle of ltrr can replay them.

Plans are counted and compared with the numbers that the propensities say
(`ltrr.estimation.calibration`). A correct log raises an alarm on one night in a hundred at most. The
check reveals less than a replay: an error in few rows stays unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.core.plans import PlanSpace
from ltrr.estimation.calibration import Calibration
from ltrr.estimation.propensity_finding import Finding
from ltrr.spark.merging import merge

_COLUMNS = ("action_taken", "logging_propensity", "action_propensities", "floor")


def find_wrong_propensities(choices: DataFrame, space: PlanSpace) -> list[str]:
    """One text for each sum that the logged propensities do not allow, the largest error first.

    Each task returns one text, whatever the number of choices.

    Args:
        choices: Rows of `decisions` of decision services, of plans of the space.
        space: The plans.
    """

    def to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = Calibration()
        for batch in batches:
            total += calibrate_choices(batch, space)
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    parts = choices.select(*_COLUMNS).mapInArrow(to_sums, "sums string")
    findings = (merge(parts, Calibration.from_json) or Calibration()).findings()
    wrong = sorted((found for found in findings if found.excess), key=lambda found: found.excess, reverse=True)
    return [_describe(found, space) for found in wrong]


def calibrate_choices(batch: pa.RecordBatch, space: PlanSpace) -> Calibration:
    """Observed and expected sums of a batch of choices."""
    rows = batch.select(list(_COLUMNS)).to_pylist()
    loggings = np.zeros((len(rows), len(space)))
    for n, row in enumerate(rows):
        loggings[n] = row["floor"]
        loggings[n, [space.index(one["action"]) for one in row["action_propensities"]]] = [
            one["p"] for one in row["action_propensities"]
        ]
    taken = np.array([space.index(row["action_taken"]) for row in rows], dtype=np.int64)
    logged = np.array([row["logging_propensity"] for row in rows], dtype=np.float64)
    return Calibration.of(logged, taken, loggings=loggings)


def _describe(found: Finding, space: PlanSpace) -> str:
    kind, _, number = found.what.partition(" ")
    if kind != "action":
        return f"the {found.what} add up to {found.ratio:.3f} of their expected sum"
    plan = space.text(int(number))
    return f"{plan} was chosen {found.observed:,.0f} times, its propensities say {found.expected:,.0f}"
