"""`ltrr judgments`: import once, all or nothing; export; comparison with rankings of the home."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ltrr.cli.app import main
from ltrr.config import load_settings
from ltrr.judgments.rankings import read_memory_pairs, stream_served_pages
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.evaluation.logged_world import DAY, decision_rows, impression_rows, searches

pytestmark = pytest.mark.spark

NEW = ["--strategies", "alpha,beta,gamma", "--budget", "3", "--history-starts", "2026-03-02"]
MEMORY_ROWS = [
    # as_of_date, query, entity, score, low, high, predicted_share, clicks, examinations
    (DAY - timedelta(days=1), "love", "old", 0.9, 0.8, 1.0, 0.1, 9.0, 9.0),
    (DAY, "love", "e1", 0.6, 0.55, 0.7, 0.1, 60.0, 100.0),
    (DAY, "love", "e2", 0.3, 0.05, 0.6, 0.5, 1.0, 3.0),
    (DAY, "love", "e3", 0.02, 0.01, 0.05, 0.1, 0.0, 90.0),
    (DAY, "c#", "e 4", 0.3, 0.26, 0.4, 0.1, 30.0, 100.0),
]


@pytest.fixture
def warehouse(spark, home, ltrr) -> Warehouse:
    assert main(["policies", "init", *NEW, "--home", str(home)]) == 0
    warehouse = Warehouse(spark, load_settings(home).paths.tables)
    for day in (DAY - timedelta(days=1), DAY):
        rows = [row for row in MEMORY_ROWS if row[0] == day]
        frame = spark.createDataFrame(rows, schema_of(table("q2e_memory")))
        warehouse.replace(table("q2e_memory"), frame, f"as_of_date = DATE'{day}'")
    return warehouse


@pytest.fixture
def ltrr(home, capsys):
    """Run a command in the home; returns exit code, rows and error output."""

    def run(*arguments: object) -> tuple[int, list[dict[str, object]], str]:
        capsys.readouterr()
        code = main(["judgments", *map(str, arguments), "--home", str(home), "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else [], printed.err

    return run


def stored(warehouse: Warehouse) -> set[tuple[str, str, str, float]]:
    rows = warehouse.read(table("judgments")).select("source", "query_key", "entity_id", "grade").collect()
    assert len(rows) == len(set(rows))
    return {tuple(row) for row in rows}


def test_an_import_counts_once_replaces_its_source_and_is_all_or_nothing(warehouse, ltrr, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("query,docid,rating\nLove,e1,3\nlove!,e1,3\nLove,e2,0\nC#,[/b],1\n")
    assert ltrr("import", file, "--source", "quepid")[:2] == (
        0,
        [
            {
                "source": "quepid",
                "judgments": 3,
                "queries": 2,
                "repeated": 1,
                "queries without a judgment": 0,
                "replaced": 0,
            }
        ],
    )
    first = stored(warehouse)
    assert first == {("quepid", "love", "e1", 3.0), ("quepid", "love", "e2", 0.0), ("quepid", "c#", "[/b]", 1.0)}
    assert ltrr("import", file, "--source", "quepid")[1][0]["replaced"] == 3
    assert stored(warehouse) == first
    file.write_text("query,docid,rating\nlove,e1,bad\nlove,,1\n")
    code, _, complaint = ltrr("import", file, "--source", "quepid")
    assert code == 2
    assert "line 2: a number is expected as grade" in complaint
    assert "line 3: an entity id is expected" in complaint
    assert stored(warehouse) == first
    file.write_text("query,docid,rating\nlove,e9,1\n")
    assert ltrr("import", file, "--source", "other")[0] == 0
    assert ltrr("import", file, "--source", "quepid")[0] == 0
    assert stored(warehouse) == {("other", "love", "e9", 1.0), ("quepid", "love", "e9", 1.0)}
    assert ltrr("import", file, "--source", "x' OR '1")[0] == 2


def test_the_memory_is_exported_as_graded_judgments_and_read_back(warehouse, ltrr, tmp_path: Path) -> None:
    file = tmp_path / "memory.csv"
    code, (row,), _ = ltrr("export", file)
    assert (code, row["judgments"], row["left out: grade undefined"]) == (0, 3, 1)
    assert file.read_text().splitlines() == [
        "query,docid,rating,score,low,high,clicks,examinations",
        "c#,e 4,2,0.3,0.26,0.4,30,100",
        "love,e1,3,0.6,0.55,0.7,60,100",
        "love,e3,0,0.02,0.01,0.05,0,90",
    ]
    assert ltrr("import", file, "--source", "memory")[0] == 0
    assert ("memory", "love", "e1", 3.0) in stored(warehouse)
    assert ltrr("export", tmp_path / "memory.json", "--format", "json")[0] == 0
    assert json.loads((tmp_path / "memory.json").read_text())["judgmentRatings"][0]["query"] == "c#"
    code, _, complaint = ltrr("export", tmp_path / "memory.qrels", "--format", "qrels")
    assert code == 2
    assert "ids without white space" in complaint
    assert not (tmp_path / "memory.qrels").exists()
    assert ltrr("export", file, "--thresholds", "0.9,0.1")[0] == 2
    assert ltrr("export", file, "--format", "excel")[0] == 2


@pytest.mark.long
def test_titles_of_the_catalogue_stand_in_reports_and_a_faulty_catalogue_changes_nothing(
    warehouse, home, ltrr, capsys, tmp_path: Path
) -> None:
    def run(*arguments: object) -> tuple[int, list[dict[str, object]]]:
        capsys.readouterr()
        code = main([*map(str, arguments), "--home", str(home), "--json"])
        printed = capsys.readouterr().out
        return code, json.loads(printed) if printed else []

    catalogue = tmp_path / "titles.ndjson"
    catalogue.write_text('{"id": "e1", "title": "First, [b]"}\n{"id": "e9", "title": "Other"}\n{"id": "e3"}\n')
    code, (taken,) = run("entities", catalogue)
    assert (code, taken["entities"], taken["with a title"]) == (0, 3, 2)
    assert run("entities", catalogue) == (code, [taken])
    assert load_settings(home).catalogue == taken["catalogue"]
    bad = tmp_path / "bad.ndjson"
    bad.write_text('{"id": "e1", "title": "Z"}\n{"title": "no id"}\n')
    assert run("entities", bad)[0] == 2
    assert load_settings(home).catalogue == taken["catalogue"]
    assert warehouse.read(table("entities")).count() == 3
    _, rows = run("tables", "show", "q2e_memory", "--where", "query_key = 'love'", "--columns", "entity_id,score")
    shown = {row["entity_id"]: row["title"] for row in rows}
    assert shown == {"old": None, "e1": "First, [b]", "e2": None, "e3": None}
    assert list(rows[0]) == ["entity_id", "title", "score"]
    file = tmp_path / "memory.csv"
    assert ltrr("export", file)[0] == 0
    assert file.read_text().splitlines()[1:3] == [
        "c#,e 4,2,0.3,0.26,0.4,30,100,",
        'love,e1,3,0.6,0.55,0.7,60,100,"First, [b]"',
    ]
    assert ltrr("import", file, "--source", "memory")[0] == 0
    assert ltrr("export", tmp_path / "memory.json", "--format", "json")[0] == 0
    ratings = json.loads((tmp_path / "memory.json").read_text())["judgmentRatings"][1]["ratings"]
    assert [one.get("title") for one in ratings] == ["First, [b]", None]
    assert ltrr("import", tmp_path / "memory.json", "--source", "json")[0] == 0


def test_rankings_are_compared_with_judgments_and_unjudged_entities_are_stated(
    spark, warehouse, ltrr, tmp_path: Path
) -> None:
    made = searches(40, users=20, seed=3)
    for name, rows in (("decisions", decision_rows(spark, made)), ("impressions", impression_rows(spark, made))):
        warehouse.replace(table(name), rows, f"log_date = DATE'{DAY}'")
    code, _, complaint = ltrr("show")
    assert code == 2
    assert "there are no judgments" in complaint
    file = tmp_path / "list.csv"
    file.write_text("query,docid,rating\nlove,e1,3\nlove,e3,1\nnever searched,e1,2\nc#,e 4,0\n")
    assert ltrr("import", file, "--source", "quepid")[0] == 0
    code, rows, _ = ltrr("show")
    found = {row["ranking"]: row for row in rows}
    assert (code, set(found)) == (0, {"memory", "served", "champion"})
    memory = found["memory"]
    # The query c# does not count: it has no relevant entity. The order of love is e1, then e2,
    # which is unjudged. No user clicked e3.
    assert (memory["judged queries"], memory["ranked queries"]) == (2, 1)
    ideal = 3 + 1 / 1.584962500721156
    assert memory["nDCG@10 of ranked"] == pytest.approx(3 / ideal)
    assert memory["nDCG@10"] == pytest.approx(3 / ideal / 2)
    assert memory["Judged@10"] == 0.5
    assert found["champion"]["ranked queries"] == 1
    assert found["champion"]["Judged@10"] == 0.0
    assert found["served"]["ranked queries"] == 0
    assert ltrr("show", "--source", "missing")[0] == 2
    assert ltrr("show", "--relevant", "4")[1][0]["judged queries"] == 0


def test_the_newest_page_and_the_newest_memory_count(spark, warehouse) -> None:
    columns = "log_date date, impression_id string, query_key string, at timestamp"
    rows = [
        (date(2026, 3, day), name, "love", datetime(2026, 3, day, hour, tzinfo=UTC))
        for day, name, hour in ((2, "i1", 9), (3, "i1", 8), (3, "i2", 7))
    ]
    pages = [
        (day, name, "love", position, f"{day.day}-{name}-{position}")
        for day, name, _, _ in rows
        for position in (2, 1, 10)
    ]
    slates = spark.createDataFrame(
        pages, "log_date date, impression_id string, query_key string, position int, entity_id string"
    )
    found = stream_served_pages(slates, spark.createDataFrame(rows, columns).drop("none"))
    assert list(found) == [("love", ["3-i1-1", "3-i1-2", "3-i1-10"])]
    pairs = read_memory_pairs(warehouse.read(table("q2e_memory")), ["love"])
    assert [pair.entity_id for pair in pairs] == ["e1", "e2", "e3"]
