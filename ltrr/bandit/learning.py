"""Trains the plan bandit: Vowpal Wabbit `cb_adf` with `mtr` in Spark tasks, one model a part, merged.

Importance. `mtr` regresses the cost of the plan taken on its features with weight (1 / propensity)
* (decisions / actions so far): about 126 / 9 a decision under a uniform policy over 126 plans and a
shortlist of 8, and up to 1 / floor of it once the logging policy has made up its mind. Such weights
ruin the fit: on simulated logs of a softmax policy (true recall; uniform .553, best static plan
.625) raw weights gave .654, weights bounded at those of the uniform policy .682; together with one
uniform night .686 and .710. So propensities are clipped at `propensity_clip` / plans. The fit
becomes a little biased towards plans that are taken often and a great deal more certain; what the
bandit is *worth* is judged elsewhere, with the exact propensities.

Window, not warm start. Every night trains from scratch on the closed dates of its window. The
model's bytes are then a function of committed rows and settings alone: a date that was corrected,
or a user who was forgotten, is gone from the next model, and a rerun needs no older model.
Continuing from the last model would never drop them, and save little: 14 nights of 15,000 decisions
are 210,000, some 20 s of one core. A thousand times that is 50 s on 400 cores, because parts do not
wait for each other and the work of each is linear in its decisions.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.bandit.examples import Decisions, examples_text
from ltrr.bandit.merging import merge_bandits
from ltrr.bandit.settings import BanditSettings
from ltrr.bandit.training_rows import laid_out
from ltrr.core.exploration import shortlist_of
from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import action_matrix
from ltrr.core.plans import PlanSpace
from ltrr.serving.values import PlanValuer

log = logging.getLogger(__name__)

MERGED_AT_ONCE = 64
"""Models that one process merges; more are merged by tree. A workspace of 2^18 weights takes 4 MB."""

_PART_MODEL = "part int, model binary, cost double, decisions bigint, parts int"
_LEARNED_FROM = (
    "part",
    "query_key",
    "action_taken",
    "logging_propensity",
    "found_reward",
    "baseline",
    "shared_features",
    "actions",
    "look",
)


@dataclass(frozen=True)
class TrainedBandit:
    """A merged model and what its training saw.

    Attributes:
        model: as it is published and served.
        decisions: trained on.
        parts: models that were trained apart and merged; a part without decisions makes none.
        progressive_loss: cost of a decision before it was learned from, as Vowpal Wabbit estimates
            it: by inverse propensity, for the plan that scored best; in units of reward below the
            baseline. A diagnosis, no verdict.
    """

    model: bytes
    decisions: int
    parts: int
    progressive_loss: float


@dataclass(frozen=True)
class Planner:
    """What makes a decision's shortlist by learned values.

    Attributes:
        valuer: of the plans.
        shortlist_size: how many plans, best by value.
    """

    valuer: PlanValuer
    shortlist_size: int


def vw_arguments(settings: BanditSettings) -> list[str]:
    """Options of Vowpal Wabbit; the model keeps them.

    >>> " ".join(vw_arguments(BanditSettings()))
    '--cb_adf --cb_type mtr --bit_precision 18 --learning_rate 0.1 --interactions qb --interactions qv'
    """
    crossed = [word for pair in settings.interactions for word in ("--interactions", pair)]
    options = ["--cb_adf", "--cb_type", "mtr", "--bit_precision", str(settings.hash_bits)]
    return [*options, "--learning_rate", str(settings.learning_rate), *crossed]


def train_bandit(
    rows: DataFrame,
    space: PlanSpace,
    observe: str,
    settings: BanditSettings,
    *,
    groups: tuple[str, ...] = DEFAULT_GROUPS,
    planner: Planner | None = None,
    merged_at_once: int = MERGED_AT_ONCE,
) -> TrainedBandit | None:
    """One model of all rows; None where there are none.

    Only models travel to the driver, at most `merged_at_once` of them: some 10 kB to 1 MB each.

    Args:
        rows: of the table `bandit_rows`, already chosen (ltrr.bandit.training_rows).
        space: the plans.
        observe: what the policy sees, which decides the shared features.
        settings: of the bandit.
        groups: of shared features that the policy uses.
        planner: that the bandit will be served with; each query is valued by models that were
            trained without it. None: shortlists and values are those that were logged.
        merged_at_once: above this many, models are merged in Spark first.
    """
    chosen = laid_out(rows, settings.partitions).select(*_LEARNED_FROM)
    sent = rows.sparkSession.sparkContext.broadcast(planner)
    models = chosen.mapInArrow(_training(space, observe, groups, settings, sent), _PART_MODEL)
    width = settings.partitions
    while width > merged_at_once:
        group = F.floor(F.col("part") / F.lit(merged_at_once)).cast("int").alias("group")
        models = models.groupBy(group).applyInArrow(_merge_group, _PART_MODEL)
        width = -(-width // merged_at_once)
    trained_apart = sorted(models.collect(), key=lambda row: int(row["part"]))
    if not trained_apart:
        return None
    decisions = sum(int(row["decisions"]) for row in trained_apart)
    trained = TrainedBandit(
        model=merge_bandits([bytes(row["model"]) for row in trained_apart]),
        decisions=decisions,
        parts=sum(int(row["parts"]) for row in trained_apart),
        progressive_loss=sum(float(row["cost"]) for row in trained_apart) / decisions,
    )
    log.info("decisions=%d parts=%d progressive_loss=%.4f", decisions, trained.parts, trained.progressive_loss)
    return trained


def _training(
    space: PlanSpace,
    observe: str,
    groups: tuple[str, ...],
    settings: BanditSettings,
    sent: Broadcast[Planner | None],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The task of one part: its rows to a file, the file through Vowpal Wabbit, the model's bytes back."""
    smallest = settings.propensity_clip / len(space)
    arguments = vw_arguments(settings)

    def train_part(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part, decisions = -1, 0
        with tempfile.TemporaryDirectory(prefix="ltrr-bandit-") as folder:
            examples = Path(folder, "decisions.txt")
            with examples.open("wb") as lines:
                for batch in batches:
                    if batch.num_rows:
                        part = batch.column("part")[0].as_py()
                        decisions += batch.num_rows
                        found = _decisions(batch, space, smallest, sent.value)
                        lines.write(examples_text(found, space, observe, groups))
            if decisions:
                model, cost = learn_file(examples, arguments)
                yield _part_model(part, model, cost, decisions, 1)

    return train_part


def _decisions(batch: pa.RecordBatch, space: PlanSpace, smallest: float, planner: Planner | None) -> Decisions:
    """The rows of a batch; propensities count as `smallest` at least."""
    taken = _plan_indices(batch.column("action_taken"), space)
    actions = _logged_actions(batch, space) if planner is None else _planned_actions(batch, space, planner, taken)
    return Decisions(
        shared=batch.column("shared_features").flatten().to_numpy().reshape(batch.num_rows, -1),
        actions=actions.indices,
        ends=actions.ends,
        features=actions.features,
        taken=taken,
        rewards=batch.column("found_reward").to_numpy() - actions.baselines,
        propensities=np.maximum(batch.column("logging_propensity").to_numpy(), smallest),
    )


def _plan_indices(texts: pa.Array, space: PlanSpace) -> NDArray[np.int64]:
    """The index of each plan; a text that comes again is not parsed again."""
    encoded = texts.dictionary_encode()
    indices = np.array([space.index(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    return np.asarray(indices[encoded.indices.to_numpy()])


@dataclass(frozen=True, eq=False)
class _Actions:
    """Action sets of N decisions, laid end to end.

    Attributes:
        indices: of the plans, [M].
        ends: where each decision's end, [N].
        features: of the plans, [M, F].
        baselines: value of the best plan of each decision, [N].
    """

    indices: NDArray[np.int64]
    ends: NDArray[np.int64]
    features: NDArray[np.float64]
    baselines: NDArray[np.float64]


def _logged_actions(batch: pa.RecordBatch, space: PlanSpace) -> _Actions:
    """As the policy that served saw them."""
    actions = batch.column("actions")
    flat = actions.flatten()
    indices = _plan_indices(flat.field("action"), space)
    return _Actions(
        indices,
        np.cumsum(pc.list_value_length(actions).to_numpy(), dtype=np.int64),
        flat.field("features").flatten().to_numpy().reshape(len(indices), -1),
        batch.column("baseline").to_numpy(),
    )


def _planned_actions(batch: pa.RecordBatch, space: PlanSpace, planner: Planner, taken: NDArray[np.int64]) -> _Actions:
    """As the planner sees them that the bandit will be served with: its own shortlist, and the plan taken."""
    indices, features, baselines = [], [], []
    rows = batch.select(["query_key", "look"]).to_pylist()
    for row, plan in zip(rows, taken.tolist(), strict=True):
        values = planner.valuer.values(row["query_key"], blocks_of_rows(row["look"]), facts_of_rows(row["look"]))
        listed = shortlist_of(values, planner.shortlist_size)
        actions = listed if plan in listed else np.append(listed, plan)
        indices.append(actions)
        features.append(action_matrix(space, values, actions))
        baselines.append(float(values.max()))
    ends = np.cumsum([len(actions) for actions in indices], dtype=np.int64)
    return _Actions(np.concatenate(indices), ends, np.concatenate(features), np.array(baselines))


def learn_file(examples: Path, arguments: list[str]) -> tuple[bytes, float]:
    """Model bytes and summed cost of one pass over a file of examples; the model is written next to it."""
    import vowpalwabbit

    model = examples.with_name("bandit.vw")
    files = ["--data", str(examples), "--final_regressor", str(model)]
    workspace = vowpalwabbit.Workspace(arg_list=["--quiet", *arguments, *files])
    cost = float(workspace.get_sum_loss())
    workspace.finish()
    return model.read_bytes(), cost


def _merge_group(key: tuple[pa.Scalar, ...], models: pa.Table) -> pa.Table:
    """Models of one group into one, which takes the group's number as its part."""
    ordered = models.sort_by("part")
    merged = merge_bandits(ordered["model"].to_pylist())
    summed = (pc.sum(ordered[name]).as_py() for name in ("cost", "decisions", "parts"))
    return pa.Table.from_batches([_part_model(key[0].as_py(), merged, *summed)])


def _part_model(part: int, model: bytes, cost: float, decisions: int, parts: int) -> pa.RecordBatch:
    columns = [
        pa.array([part], pa.int32()),
        pa.array([model], pa.binary()),
        pa.array([cost], pa.float64()),
        pa.array([decisions], pa.int64()),
        pa.array([parts], pa.int32()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["part", "model", "cost", "decisions", "parts"])
