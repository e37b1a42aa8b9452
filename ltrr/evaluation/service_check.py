"""Check of the propensities that a decision service logged: no bundle of ltrr can replay them.

Plans are counted and compared with the numbers that the propensities say
(`ltrr.estimation.calibration`). A correct log raises an alarm on one night in a hundred at most.
The check reveals less than a replay: an error in few rows stays unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from ltrr.arrays import Longs
from ltrr.core.plans import PlanSpace
from ltrr.estimation.calibration import Calibration
from ltrr.estimation.propensity_finding import Finding
from ltrr.spark.merging import merge

_COLUMNS = ("action_taken", "logging_propensity", "action_propensities", "floor")
_ROWS_AT_ONCE = 1_024


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
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                total += calibrate_choices(batch.slice(start, _ROWS_AT_ONCE), space)
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    parts = choices.select(*_COLUMNS).mapInArrow(to_sums, "sums string")
    findings = (merge(parts, Calibration.from_json) or Calibration()).findings()
    wrong = sorted((found for found in findings if found.excess), key=lambda found: found.excess, reverse=True)
    return [_describe(found, space) for found in wrong]


def calibrate_choices(batch: pa.RecordBatch, space: PlanSpace) -> Calibration:
    """Observed and expected sums of a batch of choices."""
    lists = batch.column("action_propensities")
    row = np.repeat(np.arange(batch.num_rows), pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    listed = lists.flatten()
    loggings = np.repeat(batch.column("floor").to_numpy()[:, None], len(space), axis=1)
    loggings[row, _index_plans(listed.field("action"), space)] = listed.field("p").to_numpy(zero_copy_only=False)
    taken = _index_plans(batch.column("action_taken"), space)
    logged = batch.column("logging_propensity").to_numpy()
    return Calibration.of(logged, taken, loggings=loggings)


def _index_plans(texts: pa.Array, space: PlanSpace) -> Longs:
    """Index of each plan; the texts of a log are few."""
    encoded = pc.dictionary_encode(texts)
    indices: Longs = np.array([space.index(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    found: Longs = np.take(indices, encoded.indices.to_numpy())
    return found


def _describe(found: Finding, space: PlanSpace) -> str:
    kind, _, number = found.what.partition(" ")
    if kind != "action":
        return f"the {found.what} add up to {found.ratio:.3f} of their expected sum"
    plan = space.text(int(number))
    return f"{plan} was chosen {found.observed:,.0f} times, its propensities say {found.expected:,.0f}"
