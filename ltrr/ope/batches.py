"""The reader of a batch of decisions on an executor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ltrr.arrays import Floats, Longs
from ltrr.ope.row_checks import (
    CHECKS,
    describe_fault,
    order_of_text,
    read_floats,
    read_matrix,
    read_sampling,
    read_target,
)


@dataclass(frozen=True, eq=False)
class LogBatch:
    """The N valid rows of one Arrow batch, and counts of the others.

    Attributes:
        weights, rewards: Importance weight and reward, [N].
        logging: Propensity of the action taken, [N].
        loggings: Propensity of every action, [N, A]; zeros if the log lacks them.
        targets: Target's probability of every action, [N, A]; A = 0 if the log has only that of the
            action taken.
        widths: Number of actions of each row, [N].
        action: Position of the action taken, [N].
        features: Features, [N, D].
        folds: Fold of cross-fitting, [N]; -1 if the column to fold by is null.
        users: Key of the user, [N].
        unsupported: Target's probability of actions that the logging policy never takes, [N].
        slices: Names of the slices of each row, [N][S].
        taken, direct: Values of the log's reward model, [N]; 0 if it has none.
        sampling: Sampling weights 1 / (1 - pdrop), [N]; None without a column of pdrop.
        skipped: Reason -> number of rows that are no decisions.
        skipped_at: Reason -> file and line of one of them, if the format knows it.
        faults: Reason -> (number of rows, one example).
        most_slots: Largest number of slots of a decision, 0 if none has several.
    """

    weights: Floats
    rewards: Floats
    logging: Floats
    loggings: Floats
    targets: Floats
    widths: Longs
    action: Longs
    features: Floats
    folds: Longs
    users: Longs
    unsupported: Floats
    slices: NDArray[np.object_]
    taken: Floats
    direct: Floats
    sampling: Floats | None = None
    skipped: dict[str, int] = field(default_factory=dict)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    skipped_at: dict[str, str] = field(default_factory=dict)
    most_slots: int = 0

    def __len__(self) -> int:
        return len(self.weights)


def read_batch(batch: pa.RecordBatch) -> LogBatch:
    """Check and read rows of `to_decision_rows`.

    Faults are counted and not raised, so that one message can list them all.
    """
    skipped = Counter(reason for reason in batch.column("skipped").drop_null().to_pylist())
    places = _find_skipped_places(batch) if skipped else {}
    batch = batch.filter(batch.column("skipped").is_null())
    faults: dict[str, tuple[int, str]] = {}
    for name, find in CHECKS:
        is_bad, shown, column = find(batch)
        if is_bad.any():
            faults[name] = (int(is_bad.sum()), describe_fault(batch, is_bad, shown, column))
            batch = batch.filter(pa.array(~is_bad))
    targets, widths = read_matrix(batch.column("targets"))
    logging, loggings = read_floats(batch, "logging"), read_matrix(batch.column("loggings"))[0]
    never = loggings <= 0.0 if loggings.shape == targets.shape else np.zeros(targets.shape, dtype=bool)
    slices, names = batch.column("slices"), batch.schema.names
    width = int(slices.value_lengths()[0].as_py()) if len(batch) else 0
    return LogBatch(
        weights=read_target(batch) / logging,
        rewards=read_floats(batch, "reward"),
        logging=logging,
        loggings=loggings,
        targets=targets,
        widths=widths,
        action=read_floats(batch, "action").astype(np.int64),
        features=read_matrix(batch.column("features"))[0],
        folds=batch.column("fold").to_numpy().astype(np.int64),
        users=batch.column("user").to_numpy(),
        unsupported=np.where(never, targets, 0.0).sum(axis=1),
        slices=np.array(slices.flatten().to_pylist(), dtype=object).reshape(len(batch), width),
        taken=read_floats(batch, "q_taken"),
        direct=read_floats(batch, "q_target"),
        sampling=read_sampling(batch),
        skipped=dict(skipped),
        faults=faults,
        skipped_at=places,
        most_slots=int(read_floats(batch, "slots_filled").max(initial=0)) if "slots_filled" in names else 0,
    )


def _find_skipped_places(batch: pa.RecordBatch) -> dict[str, str]:
    """Reason -> the first file and line, in the order of text, of the rows that are skipped."""
    if "place" not in batch.schema.names:
        return {}
    places: dict[str, str] = {}
    for reason, place in zip(batch.column("skipped").to_pylist(), batch.column("place").to_pylist(), strict=True):
        if reason is not None and place is not None:
            places[reason] = min(places.get(reason, place), place, key=order_of_text)
    return places
