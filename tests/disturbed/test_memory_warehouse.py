"""The memory warehouse and the real one have equal versions and rows after random operations."""

import random
from datetime import UTC, date, datetime

import pytest

from ltrr.errors import LtrrError, SchemaError
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.spark.retention import LOG
from ltrr.tables.catalog import table
from tests.disturbed.memory_warehouse import MemoryWarehouse

CURVE, RUNS = table("examination"), table("job_runs")
DAYS = [date(2026, 3, day) for day in (1, 2, 3)]
OPERATIONS = ("replace", "replace", "replace", "replace nothing", "replace outside", "append_new", "restore", "promise")


def curve_row(day, position, value):
    return {
        "as_of_date": day,
        "surface": "search",
        "position": position,
        "examination": value,
        "standard_error": None,
        "method": "prior",
        "is_identified": True,
        "impressions": 7,
    }


def call_both(operation):
    """Results of an operation on both warehouses; for an error, its type."""
    results = []
    for one in (True, False):
        try:
            results.append(operation(one))
        except LtrrError as fault:
            results.append(type(fault))
    return results


@pytest.mark.long
def test_the_memory_warehouse_does_what_the_real_one_does(spark, tmp_path):
    real, memory = Warehouse(spark, str(tmp_path)), MemoryWarehouse()
    draws = random.Random(11)
    rows, digests = {}, []

    def warehouse_of(is_real):
        return real if is_real else memory

    def frame(is_real, frame_rows, declared=CURVE):
        return spark.createDataFrame(frame_rows, schema_of(declared)).coalesce(1) if is_real else frame_rows

    def written(made):
        return made.version, made.rows

    def content(is_real, version, until=None):
        found = warehouse_of(is_real).read(CURVE, version, until).collect()
        return sorted((row.as_of_date, row.position, row.examination) for row in found)

    for number in range(26):
        what = OPERATIONS[number % len(OPERATIONS)] if number < len(OPERATIONS) else draws.choice(OPERATIONS)
        day, newest = draws.choice(DAYS), memory.version(CURVE)
        where = f"as_of_date = DATE'{day}'"
        frame_rows = [curve_row(day, position, draws.choice((0.25, 0.5))) for position in range(draws.randint(1, 3))]
        if what == "restore":
            version = draws.choice([None, *range((newest or 0) + 1)])
            ours, theirs = call_both(lambda one, version=version: warehouse_of(one).restore(CURVE, version))
        elif what == "promise":
            if newest is not None and draws.random() < 0.5:
                spark.sql(f"ALTER TABLE delta.`{real.location(CURVE)}` UNSET TBLPROPERTIES ('{LOG}')")
                memory.unset(CURVE, LOG)
            ours, theirs = call_both(lambda one: warehouse_of(one).set_retention(CURVE))
        elif what == "append_new":
            ours, theirs = call_both(
                lambda one, frame_rows=frame_rows: written(warehouse_of(one).append_new(CURVE, frame(one, frame_rows)))
            )
        else:
            frame_rows = [] if what == "replace nothing" else frame_rows
            outside = DAYS[0] if day != DAYS[0] else DAYS[1]
            where = f"as_of_date = DATE'{outside}'" if what == "replace outside" else where
            made = call_both(
                lambda one, frame_rows=frame_rows, where=where: warehouse_of(one).replace(
                    CURVE, frame(one, frame_rows), where
                )
            )
            if what == "replace outside":
                assert made == [SchemaError, SchemaError]
                continue
            digests.append((made[0].values, made[1].values))
            rows[memory.version(CURVE)] = frame_rows, where
            ours, theirs = map(written, made)
        assert ours == theirs, (number, what)
        assert real.version(CURVE) == memory.version(CURVE), (number, what)
        assert real.find_wrong_properties(CURVE) == memory.find_wrong_properties(CURVE), (number, what)
        if memory.version(CURVE) is not None:
            assert content(True, None) == content(False, None), (number, what)

    for version in range(memory.version(CURVE) + 1):
        assert content(True, version, DAYS[1]) == content(False, version, DAYS[1])
    assert content(True, 0) == content(False, 0)
    with pytest.raises(LtrrError):
        real.read(CURVE, memory.version(CURVE) + 1)
    with pytest.raises(LtrrError):
        memory.read(CURVE, memory.version(CURVE) + 1)
    assert len({ours for ours, _ in digests}) == len({theirs for _, theirs in digests}) == len(set(digests))
    noisy = {version: frame_rows for version, (frame_rows, _) in rows.items() if frame_rows}
    version, frame_rows = max(noisy.items())
    for scale, is_same in ((1 + 1e-12, True), (1.1, False)):
        moved = [row | {"examination": row["examination"] * scale} for row in frame_rows]
        where = rows[version][1]
        answers = call_both(lambda one, m=moved, w=where: warehouse_of(one).is_same(CURVE, frame(one, m), version, w))
        assert answers == [is_same, is_same]


def test_both_read_the_newest_committed_versions_from_job_runs(spark, tmp_path):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [
        ("fit", DAYS[0], number, at, "v", "c", [("t", DAYS[0], 1, "s")], [("u", version, 1, "d", "s")], {"k": "v"}, 1.0)
        for number, version in ((1, 4), (2, 3))
    ]
    found = []
    for one in (Warehouse(spark, str(tmp_path)), MemoryWarehouse()):
        one.append_rows(RUNS, rows)
        between = one.rows_between(RUNS, "run_date", DAYS[0], None)
        found.append((one.newest_outputs(RUNS), sorted(row.attempt for row in between), between[0].inputs[0].table))
        assert one.rows_between(RUNS, "run_date", DAYS[1], None) == []
        assert one.rows_between(RUNS, "run_date", DAYS[0], DAYS[0]) == []
        assert len(one.rows_between(RUNS, "run_date", DAYS[0], DAYS[1])) == 2
    assert found[0] == found[1] == ({"u": 4}, [1, 2], "t")
