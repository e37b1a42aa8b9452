"""Training of the plan bandit with Vowpal Wabbit (`cb_adf`, `mtr`): parts in Spark tasks, merged.

**Weights.** `mtr` regresses the cost of the plan taken on its features, with the weight (1 /
propensity) * (decisions / actions so far). Under a uniform policy over 126 plans, with a shortlist
of 8, that is about 126 / 9 per decision. Under a logging policy that prefers few plans, it is up to
1 / floor times as much, and such weights harm the fit. The measure is true recall on simulated logs
of a softmax policy, where the uniform policy has .553 and the best static plan .625. Unclipped
weights gave .654, and weights bounded at those of the uniform policy .682. With one more uniform
night the results were .686 and .710. So propensities are clipped at `propensity_clip` / plans. The
fit gets a small bias towards plans that are taken often, and a much smaller variance. Evaluation of
the bandit uses the exact propensities.

**A window instead of a warm start.** Every night trains from scratch on the closed dates of its
window. So the bytes of the model depend only on committed rows and settings: corrected dates and
forgotten users have no effect on the next model, and a rerun needs no older model. A warm start
would keep their effect, and save little: 14 nights of 15,000 decisions are 210,000 decisions, which
take about 20 s on one core. A thousand times as many take 50 s on 400 cores, because parts are
independent and their work is linear in the decisions.
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
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Floats, Longs
from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.bandit.examples import Decisions, write_examples
from ltrr.bandit.merging import merge_bandits
from ltrr.bandit.settings import BanditSettings
from ltrr.bandit.training_rows import to_training_parts
from ltrr.core.exploration import shortlist_of
from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.features import action_matrix
from ltrr.core.plans import PlanSpace
from ltrr.serving.values import PlanValuer

log = logging.getLogger(__name__)

MERGED_AT_ONCE = 64
"""Maximum number of models that one process merges; more are merged in a tree.

A workspace of 2^18 weights takes 4 MB."""

_PART_MODEL = "part int, model binary, cost double, decisions bigint, parts int"
_TRAINING_COLUMNS = (
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
    """A merged model with figures of its training.

    Attributes:
        model: Bytes of the model, as published and served.
        decisions: Number of training decisions.
        parts: Number of merged models; a part without decisions has no model.
        progressive_loss: Mean cost of a decision, predicted before the model learns from it, as
            Vowpal Wabbit estimates it: by inverse propensity, for the plan with the best score, in
            units of reward below the baseline. It is a diagnostic, not an evaluation.
    """

    model: bytes
    decisions: int
    parts: int
    progressive_loss: float


@dataclass(frozen=True)
class Planner:
    """Source of a decision's shortlist: the plans with the highest learned values.

    Attributes:
        valuer: Valuer of the plans.
        shortlist_size: Number of plans.
    """

    valuer: PlanValuer
    shortlist_size: int


def list_vw_arguments(settings: BanditSettings) -> list[str]:
    """Options of Vowpal Wabbit, which the model stores.

    >>> " ".join(list_vw_arguments(BanditSettings(interactions=("qb",))))
    '--cb_adf --cb_type mtr --bit_precision 18 --learning_rate 0.1 --interactions qb'
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
    """One model of all rows; None without rows.

    Only models are sent to the driver: at most `merged_at_once`, of about 10 kB to 1 MB each.

    Args:
        rows: Selected rows of the table `bandit_rows` (`ltrr.bandit.training_rows`).
        space: The plans.
        observe: Blocks that the policy sees before the choice; it determines the shared features.
        settings: Settings of the bandit.
        groups: Groups of shared features that the policy uses.
        planner: Planner with which the bandit will be served. Each query is valued by models that
            were trained without it. With None, shortlists and values are those of the log.
        merged_at_once: Maximum number of models that the driver merges. More are first merged in
            Spark.
    """
    chosen = to_training_parts(rows, settings.partitions).select(*_TRAINING_COLUMNS)
    sent = rows.sparkSession.sparkContext.broadcast(planner)
    models = chosen.mapInArrow(_make_training_task(space, observe, groups, settings, sent), _PART_MODEL)
    width = settings.partitions
    while width > merged_at_once:
        group = F.floor(F.col("part") / F.lit(merged_at_once)).cast("int").alias("group")
        models = models.groupBy(group).applyInArrow(_merge_group, _PART_MODEL)
        width = -(-width // merged_at_once)
    part_models = sorted(models.collect(), key=lambda row: int(row["part"]))
    if not part_models:
        return None
    decisions = sum(int(row["decisions"]) for row in part_models)
    trained = TrainedBandit(
        model=merge_bandits([bytes(row["model"]) for row in part_models]),
        decisions=decisions,
        parts=sum(int(row["parts"]) for row in part_models),
        progressive_loss=sum(float(row["cost"]) for row in part_models) / decisions,
    )
    log.info("decisions=%d parts=%d progressive_loss=%.4f", decisions, trained.parts, trained.progressive_loss)
    return trained


def _make_training_task(
    space: PlanSpace,
    observe: str,
    groups: tuple[str, ...],
    settings: BanditSettings,
    sent: Broadcast[Planner | None],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The task of one part: write its rows to a file, train on it, and return the model."""
    smallest = settings.propensity_clip / len(space)
    arguments = list_vw_arguments(settings)

    def train_part(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part, decisions = -1, 0
        with tempfile.TemporaryDirectory(prefix="ltrr-bandit-") as folder:
            examples = Path(folder, "decisions.txt")
            with examples.open("wb") as lines:
                for batch in batches:
                    if batch.num_rows:
                        part = batch.column("part")[0].as_py()
                        decisions += batch.num_rows
                        found = _read_decisions(batch, space, smallest, sent.value)
                        lines.write(write_examples(found, space, observe, groups))
            if decisions:
                model, cost = train_on_file(examples, arguments)
                yield _make_part_row(part, model, cost, decisions, 1)

    return train_part


def _read_decisions(batch: pa.RecordBatch, space: PlanSpace, smallest: float, planner: Planner | None) -> Decisions:
    """The decisions of a batch, with propensities of at least `smallest`."""
    taken = _find_plans(batch.column("action_taken"), space)
    actions = _read_logged_actions(batch, space) if planner is None else _plan_actions(batch, space, planner, taken)
    return Decisions(
        shared=batch.column("shared_features").flatten().to_numpy().reshape(batch.num_rows, -1),
        actions=actions.indices,
        ends=actions.ends,
        features=actions.features,
        taken=taken,
        rewards=batch.column("found_reward").to_numpy() - actions.baselines,
        propensities=np.maximum(batch.column("logging_propensity").to_numpy(), smallest),
    )


def _find_plans(texts: pa.Array, space: PlanSpace) -> Longs:
    """The index of each plan; each distinct text is parsed once."""
    encoded = texts.dictionary_encode()
    indices = np.array([space.index(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    return np.asarray(indices[encoded.indices.to_numpy()])


@dataclass(frozen=True, eq=False)
class _Actions:
    """Action sets of N decisions, one after the other.

    Attributes:
        indices: Indices of the plans, [M].
        ends: End of each decision's plans, [N].
        features: Features of the plans, [M, F].
        baselines: Value of the best plan of each decision, [N].
    """

    indices: Longs
    ends: Longs
    features: Floats
    baselines: Floats


def _read_logged_actions(batch: pa.RecordBatch, space: PlanSpace) -> _Actions:
    """The action sets that the serving policy had."""
    actions = batch.column("actions")
    flat = actions.flatten()
    indices = _find_plans(flat.field("action"), space)
    return _Actions(
        indices,
        np.cumsum(pc.list_value_length(actions).to_numpy(), dtype=np.int64),
        flat.field("features").flatten().to_numpy().reshape(len(indices), -1),
        batch.column("baseline").to_numpy(),
    )


def _plan_actions(batch: pa.RecordBatch, space: PlanSpace, planner: Planner, taken: Longs) -> _Actions:
    """The action sets of the planner: its shortlist, and the plan taken."""
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


def train_on_file(examples: Path, arguments: list[str]) -> tuple[bytes, float]:
    """Train on a file of examples in one pass; return the bytes of the model and the summed cost.

    The model is written to the same folder.
    """
    import vowpalwabbit

    model = examples.with_name("bandit.vw")
    files = ["--data", str(examples), "--final_regressor", str(model)]
    workspace = vowpalwabbit.Workspace(arg_list=["--quiet", *arguments, *files])
    cost = float(workspace.get_sum_loss())
    workspace.finish()
    return model.read_bytes(), cost


def _merge_group(key: tuple[pa.Scalar, ...], models: pa.Table) -> pa.Table:
    """Merge the models of one group; the result has the group's number as its part."""
    ordered = models.sort_by("part")
    merged = merge_bandits(ordered["model"].to_pylist())
    summed = (pc.sum(ordered[name]).as_py() for name in ("cost", "decisions", "parts"))
    return pa.Table.from_batches([_make_part_row(key[0].as_py(), merged, *summed)])


def _make_part_row(part: int, model: bytes, cost: float, decisions: int, parts: int) -> pa.RecordBatch:
    columns = [
        pa.array([part], pa.int32()),
        pa.array([model], pa.binary()),
        pa.array([cost], pa.float64()),
        pa.array([decisions], pa.int64()),
        pa.array([parts], pa.int32()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["part", "model", "cost", "decisions", "parts"])
