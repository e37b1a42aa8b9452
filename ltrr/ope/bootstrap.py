"""Bootstrap replicates of a log's sums: computed by tasks, merged by executors in a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.estimation.bootstrap import Replicates
from ltrr.estimation.decision_terms import list_terms
from ltrr.estimation.estimators import list_ratio_terms
from ltrr.estimation.keyed_sums import SliceSums
from ltrr.estimation.reward_model import RewardModel
from ltrr.ope.batches import LogBatch
from ltrr.ope.sums import split_users, to_user_terms
from ltrr.spark.merging import merge


def bootstrap_log(
    decisions: DataFrame,
    models: RewardModel[LogBatch] | None,
    largest_weight: float,
    replicates: int,
    *,
    has_values: bool,
    is_sampled: bool = False,
) -> Mapping[str, Replicates]:
    """Replicates of every slice of the rows of `to_decision_rows`, by user, in a separate pass.

    Each user costs B Poisson draws and B x K additions. At 200 replicates this is the most
    expensive pass of a report. A task returns B x K numbers for each slice, whatever the number of
    users.

    Args:
        decisions: Rows of `to_decision_rows`, with users.
        models: q-hat; with None, the terms that need it are left out.
        largest_weight: M.
        replicates: B.
        has_values: Whether the rows contain a reward model's values.
        is_sampled: Whether the rows contain sampling weights. A replicate counts a user's rows
            with them, as the estimate does.
    """
    has_model = has_values or models is not None
    names = list_terms(has_model=has_model, is_sampled=is_sampled)
    kept = list_ratio_terms(has_model=has_model)

    def users_to_replicates(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: SliceSums[Replicates] = SliceSums()
        for batch in batches:
            slices, terms, users = split_users(batch, names)
            keys = users.column("user").to_numpy()
            for name in np.unique(slices.astype(str)).tolist():
                here = slices == name
                mine = Replicates.of_users(kept, keys[here], terms[here, : len(kept)], replicates)
                total += SliceSums({name: mine})
        yield pa.RecordBatch.from_pydict({"replicates": [total.to_json()]})

    users = to_user_terms(decisions, models, largest_weight, has_values=has_values, is_sampled=is_sampled)
    parts = users.mapInArrow(users_to_replicates, "replicates string")
    merged = merge(parts, partial(SliceSums.from_json, read_sums=Replicates.from_json))
    return {} if merged is None else merged.slices
