"""One scan of a log's Parquet files for every policy, estimator and slice.

When Spark scans a log, moving rows from Java to Python takes most of the time. Here tasks read the
files themselves. A task gets (file, row group) pairs, reads the columns that it needs with Arrow,
and adds up all policies' terms in exact blocks (`estimation.exact_sums`). The sums equal those of
`ope.sums.sum_log`, bit by bit. With users, rows are shuffled once, as Arrow bytes by bucket of
users, so that one task has all decisions of a user.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from ltrr.arrays import Floats, Longs
from ltrr.core.hashing import xxhash64
from ltrr.estimation.calibration import Calibration
from ltrr.estimation.decisions import LARGEST_SUMMABLE, Decisions
from ltrr.estimation.logged_moments import MomentSums, find_cluster_starts
from ltrr.estimation.weights import ROUNDING
from ltrr.ope.batches import read_batch
from ltrr.ope.log_files import LogFiles, open_file, read_columns
from ltrr.ope.parquet_types import name_damage
from ltrr.ope.rows import LogColumns
from ltrr.ope.sums import ALL, MOST_SLICES, TOO_MANY_SLICES, LogSums, PolicySums
from ltrr.spark.merging import merge

_TASKS_PER_CORE = 2
"""Number of tasks per core.

More than one, because row groups differ in size and cores in speed. Each further task costs a few
hundredths of a second."""

_FOOTERS_ON_DRIVER = 64

_BUCKETS = 2
"""Number of buckets of users per task or file, whichever are more."""

_ROWS_AT_ONCE = 1 << 16
_USER = "user key"


def sum_files(
    spark: SparkSession, files: LogFiles, policies: Sequence[LogColumns], largest_weight: float
) -> list[LogSums]:
    """Sums of every policy's log, in one scan.

    Args:
        spark: Spark session.
        files: Files of the log.
        policies: Columns of each policy; they differ in `target_propensity` and `q_target` alone.
        largest_weight: M.
    """
    judged = tuple(policies)
    tasks = _TASKS_PER_CORE * spark.sparkContext.defaultParallelism
    groups = _list_groups(spark, files, tasks)
    if judged[0].user is None:
        parts = groups.mapInArrow(partial(_rows_to_sums, judged, largest_weight), "sums string")
    else:
        buckets = _BUCKETS * max(tasks, len(files.addresses))  # A task keeps a bucket's rows in memory.
        parts = (
            groups.mapInArrow(partial(_rows_to_buckets, judged, buckets), "bucket int, rows binary")
            .repartitionById(buckets, "bucket")
            .mapInArrow(partial(_bucket_to_sums, judged, largest_weight), "sums string")
        )
    merged = merge(parts, PolicySums.from_json)
    return [LogSums() for _ in judged] if merged is None else list(merged.policies)


def _list_groups(spark: SparkSession, files: LogFiles, tasks: int) -> DataFrame:
    """(address, row_group) of every file, spread over tasks.

    The driver reads the footers of a few files, in less time than a job takes to start. Tasks read
    the footers of many files.
    """
    schema = "address string, row_group int"
    if len(files.addresses) <= _FOOTERS_ON_DRIVER:
        return spark.createDataFrame([pair for address in files.addresses for pair in list_row_groups(address)], schema)
    names = spark.createDataFrame([(address,) for address in files.addresses], "address string")
    return names.mapInArrow(_read_footers, schema).repartition(tasks)


class LogScan:
    """The sums of every policy and slice of one task, added up batch by batch.

    Args:
        policies: Columns of each policy.
        largest_weight: M.
    """

    def __init__(self, policies: Sequence[LogColumns], largest_weight: float) -> None:
        self._policies, self._largest_weight = policies, largest_weight
        self._sums: list[dict[str, MomentSums]] = [{} for _ in policies]
        self._others = [LogSums() for _ in policies]

    def add(self, rows: pa.Table | pa.RecordBatch, users: pa.Array | None = None) -> None:
        """Add rows.

        Args:
            rows: Rows of the log. With users they are sorted by user and include all rows of each.
            users: Key of the user of each row; None if each row is a cluster.
        """
        numbers = {name: _read_numbers(rows.column(name)) for name in _number_names(self._policies)}
        places = _find_slices(rows, self._policies[0].slices)
        is_missing = users is not None and users.null_count > 0
        clusters = None if users is None or is_missing else users.to_numpy()
        for policy, sums in enumerate(self._sums):
            columns = self._policies[policy]
            decisions = _read_decisions(numbers, columns)
            if decisions is None or is_missing:
                # The slow checks find every fault. A log with a fault is refused, so the sums of
                # its other rows are not needed.
                faults = read_batch(_to_decision_batch(rows, columns, users)).faults
                self._others[policy] += LogSums(faults=faults)
                continue
            self._others[policy] += LogSums(drawn=Calibration.of_weights(decisions.weights, decisions.sampling))
            _get_sums(sums, ALL, columns, self._largest_weight).add(
                decisions, None if clusters is None else find_cluster_starts(clusters)
            )
            for name, here in places.items():
                mine = None if clusters is None else find_cluster_starts(clusters[here])
                _get_sums(sums, name, columns, self._largest_weight).add(decisions.rows(here), mine)
            if len(sums) > MOST_SLICES:
                sums.clear()
                self._others[policy] += LogSums(faults={TOO_MANY_SLICES: (1, "more")})

    @property
    def sums(self) -> PolicySums:
        """The sums of all rows added so far."""
        return PolicySums(
            tuple(
                LogSums({name: one.moments for name, one in sums.items()}) + others
                for sums, others in zip(self._sums, self._others, strict=True)
            )
        )


def _get_sums(sums: dict[str, MomentSums], name: str, columns: LogColumns, largest_weight: float) -> MomentSums:
    if name not in sums:
        sums[name] = MomentSums(largest_weight, has_model=columns.has_values, is_sampled=columns.pdrop is not None)
    return sums[name]


def list_row_groups(address: str) -> list[tuple[str, int]]:
    """(address, row group) of one file, from its footer."""
    with open_file(address) as file, name_damage(address):
        return [(address, group) for group in range(pq.ParquetFile(file).num_row_groups)]


def _read_footers(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for address in batch.column("address").to_pylist():
            groups = [group for _, group in list_row_groups(address)]
            yield pa.RecordBatch.from_pydict(
                {"address": [address] * len(groups), "row_group": pa.array(groups, pa.int32())}
            )


def _rows_to_sums(
    policies: Sequence[LogColumns], largest_weight: float, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    scan = LogScan(policies, largest_weight)
    for rows in _read(policies, batches, _ROWS_AT_ONCE):
        scan.add(rows)
    yield pa.RecordBatch.from_pydict({"sums": [scan.sums.to_json()]})


def _rows_to_buckets(
    policies: Sequence[LogColumns], buckets: int, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    user = policies[0].user
    for batch in _read(policies, batches, 1 << 30):
        rows = pa.Table.from_batches([batch.append_column(_USER, hash_users(batch.column(user)))])
        if user not in policies[0].slices:
            rows = rows.drop_columns([user])  # Its type may differ between files.
        bucket = pc.fill_null(rows.column(_USER), 0).to_numpy() % buckets
        order = np.argsort(bucket, kind="stable")
        starts = find_cluster_starts(bucket[order])
        rows = rows.take(order)
        lengths = np.diff(starts, append=len(order))
        blobs = [_to_bytes(rows.slice(start, length)) for start, length in zip(starts, lengths, strict=True)]
        yield pa.RecordBatch.from_pydict(
            {"bucket": pa.array(bucket[order][starts], pa.int32()), "rows": pa.array(blobs, pa.binary())}
        )


def _bucket_to_sums(
    policies: Sequence[LogColumns], largest_weight: float, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    scan = LogScan(policies, largest_weight)
    blobs = [blob for batch in batches for blob in batch.column("rows")]
    if blobs:
        rows = pa.concat_tables([pa.ipc.open_stream(blob.as_buffer()).read_all() for blob in blobs])
        rows = rows.take(pc.array_sort_indices(rows.column(_USER).combine_chunks()))
        scan.add(rows, rows.column(_USER).combine_chunks())
    yield pa.RecordBatch.from_pydict({"sums": [scan.sums.to_json()]})


def _read(
    policies: Sequence[LogColumns], batches: Iterator[pa.RecordBatch], rows_at_once: int
) -> Iterator[pa.RecordBatch]:
    """Rows of the given row groups with the needed columns; no batch spans two row groups."""
    names, numbers = sorted({name for one in policies for name in read_columns(one).values()}), _number_names(policies)
    slices = set(policies[0].slices)
    for batch in batches:
        pairs = zip(batch.column("address").to_pylist(), batch.column("row_group").to_pylist(), strict=True)
        for address, group in pairs:
            with open_file(address) as file, name_damage(address):
                # One thread: a task has one core.
                yield from (
                    _to_common_types(rows, numbers, slices)
                    for rows in pq.ParquetFile(file).iter_batches(
                        rows_at_once, row_groups=[group], columns=names, use_threads=False
                    )
                )


def _to_common_types(rows: pa.RecordBatch, numbers: set[str], slices: set[str]) -> pa.RecordBatch:
    """The rows with doubles and, for slices, text, whatever types their file has."""
    for place, entry in enumerate(rows.schema):
        if entry.name in numbers:
            if entry.type != pa.float64():
                rows = rows.set_column(place, entry.name, rows.column(place).cast(pa.float64()))
        elif entry.name in slices and entry.type != pa.string():
            rows = rows.set_column(place, entry.name, rows.column(place).cast(pa.string()))
    return rows


def hash_users(users: pa.Array) -> pa.Array:
    """Spark's `xxhash64` of each user as text; null if the user is null.

    >>> hash_users(pa.array(["u1", None, "u1"])).null_count
    1
    """
    encoded = users.dictionary_encode()
    texts = encoded.dictionary.cast(pa.large_string())
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset :][: len(texts) + 1]
    held = texts.buffers()[2]
    keys = xxhash64(np.frombuffer(held or b"", dtype=np.uint8), offsets)
    return pa.array(keys).take(encoded.indices)


def _to_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    held: bytes = sink.getvalue().to_pybytes()
    return held


def _number_names(policies: Sequence[LogColumns]) -> set[str]:
    return {
        name
        for columns in policies
        for meaning, name in read_columns(columns).items()
        if meaning != "user" and not meaning.startswith("slices")
    }


def _read_numbers(column: pa.Array | pa.ChunkedArray) -> Floats:
    """The column as doubles; NaN if null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _find_slices(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> dict[str, Longs]:
    """Slice -> numbers of its rows, in order."""
    places = {}
    for name in names:
        texts = pc.fill_null(rows.column(name).cast(pa.string()), "")
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        encoded = texts.dictionary_encode()
        indices = encoded.indices.to_numpy()
        order = np.argsort(indices, kind="stable")
        for value, here in zip(
            encoded.dictionary.to_pylist(), np.split(order, find_cluster_starts(indices[order])[1:]), strict=True
        ):
            places[f"{name}={value}"] = here
    return places


def _read_decisions(numbers: dict[str, Floats], columns: LogColumns) -> Decisions | None:
    """The rows as the estimators take them; None if a check of `ope.row_checks` would fail."""
    reward, logging = numbers[columns.reward], numbers[columns.logging_propensity]
    target = numbers[columns.target_propensity]
    if not len(reward):
        values = reward if columns.has_values else None
        return Decisions(reward, reward, values, values, sampling=None if columns.pdrop is None else reward)
    # A comparison with NaN is false.
    if not (logging.min() > 0.0 and logging.max() <= 1.0 + ROUNDING):
        return None
    if not (target.min() >= -ROUNDING and target.max() <= 1.0 + ROUNDING):
        return None
    weights, sampling = target / logging, None
    if columns.pdrop is not None:
        pdrop = numbers[columns.pdrop]
        if not (pdrop.min() >= 0.0 and pdrop.max() < 1.0):
            return None
        sampling = 1.0 / (1.0 - pdrop)
    taken = numbers[columns.q_taken] if columns.q_taken else None
    direct = numbers[columns.q_target] if columns.q_target else None
    decisions = Decisions(weights, reward, taken, direct, sampling=sampling)
    full = decisions.full_weights
    summed = [full, full * reward, *(one for one in (taken, direct) if one is not None)]
    if sampling is not None:
        summed = [*summed[:2], sampling, *(one * sampling for one in summed[2:])]
    return decisions if all(np.abs(one).max() <= LARGEST_SUMMABLE for one in summed) else None


def _to_decision_batch(rows: pa.Table | pa.RecordBatch, columns: LogColumns, users: pa.Array | None) -> pa.RecordBatch:
    """The rows with the columns of `ope.rows.to_decision_rows`."""
    count = rows.num_rows

    def number(name: str) -> pa.Array:
        column = rows.column(name).cast(pa.float64())
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    none = pa.ListArray.from_arrays(np.zeros(count + 1, dtype=np.int32), pa.array([], pa.float64()))
    zeros = np.zeros(count)
    return pa.RecordBatch.from_pydict(
        {
            "skipped": pa.nulls(count, pa.string()),
            "reward": number(columns.reward),
            "logging": number(columns.logging_propensity),
            "target": number(columns.target_propensity),
            "targets": none,
            "loggings": none,
            "action": zeros - 1.0,
            "features": none,
            "fold": np.full(count, -1),
            "user": np.zeros(count, dtype=np.int64),
            "has_user": np.ones(count, dtype=bool) if users is None else users.is_valid(),
            "slices": none,
            "q_taken": number(columns.q_taken) if columns.q_taken else zeros,
            "q_target": number(columns.q_target) if columns.q_target else zeros,
            **({"pdrop": number(columns.pdrop)} if columns.pdrop else {}),
        }
    )
