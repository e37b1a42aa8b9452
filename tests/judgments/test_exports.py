"""Grades of the memory and files of judgments and runs: what ltrr writes, it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.queries import query_key
from ltrr.errors import LtrrError, UsageError
from ltrr.judgments.csv_lists import read_csv
from ltrr.judgments.exports import EXPORTS, file_form, query_id, query_text_line, run_rows, write_files
from ltrr.judgments.grades import THRESHOLDS, GradedPair, MemoryPair, check_thresholds, grade_of, grade_pairs
from ltrr.judgments.json_lists import read_json
from ltrr.judgments.judgment import by_key
from ltrr.judgments.trec_lists import read_qrels, read_query_texts

BOUND = st.floats(0, 1)
PAIRS = st.lists(
    st.builds(
        lambda text, entity, score, low, high, clicks: MemoryPair(
            query_key(text) or "q", entity, score, min(low, high), max(low, high), clicks, clicks * 2
        ),
        st.text(max_size=12),
        st.text("abc,\"'é#", min_size=1, max_size=5),
        BOUND,
        BOUND,
        BOUND,
        st.floats(0, 50),
    ),
    max_size=20,
    unique_by=lambda pair: (pair.query_key, pair.entity_id),
)


def whole(format_: str, graded: list[GradedPair]) -> str:
    form = file_form(format_, "memory")
    queries = [list(of_query) for _, of_query in groupby(graded, key=lambda one: one.pair.query_key)]
    return form.head + form.between.join(map(form.of_query, queries)) + form.tail


@given(PAIRS)
def test_every_export_is_read_back(pairs: list[MemoryPair]) -> None:
    graded, left_out = grade_pairs(pairs)
    assert len(graded) + left_out == len(pairs)
    if not graded:
        return
    expected = {(one.pair.query_key, one.pair.entity_id): float(one.grade) for one in graded}
    texts = read_query_texts("".join(query_text_line(one.pair.query_key) for one in graded))
    csv_text, json_text, qrels_text = (whole(name, graded) for name in EXPORTS)
    for reading in (read_csv(csv_text), read_json(json_text), read_qrels(qrels_text, texts)):
        assert {key: one.grade for key, one in by_key(reading, 2, "file").items()} == expected


@given(BOUND, BOUND)
def test_a_grade_needs_evidence_on_both_sides(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    grade = grade_of(MemoryPair("q", "e", low, low, high, 1.0, 9.0))
    assert grade in (None, 0, 1, 2, 3)
    assert (grade is None) == (low < THRESHOLDS[0] <= high)
    assert grade_of(MemoryPair("q", "e", low, low, high, 0.0, 0.0)) is None


def test_more_evidence_never_lowers_a_grade_that_is_defined() -> None:
    grades = [
        grade_of(MemoryPair("q", "e", 0.6, 0.6 - width, 0.6 + width, 1.0, 9.0)) for width in (0.55, 0.4, 0.2, 0.05)
    ]
    assert grades == [None, 1, 2, 3]


@pytest.mark.parametrize("thresholds", [(), (0.0, 0.5), (0.5, 0.1), (0.1, 0.1), (0.5, 1.5)])
def test_thresholds_are_ascending_probabilities(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="give no grades"):
        check_thresholds(thresholds)


def test_the_json_has_the_shape_of_an_import_with_interval_and_evidence() -> None:
    graded, _ = grade_pairs([MemoryPair("red dress", "e1", 0.6, 0.55, 0.7, 40.0, 70.0)])
    described = json.loads(whole("json", graded))
    assert described["type"] == "IMPORT_JUDGMENT"
    (rating,) = described["judgmentRatings"][0]["ratings"]
    assert rating == {"docId": "e1", "rating": "3.000", "low": 0.55, "high": 0.7, "clicks": 40.0, "examinations": 70.0}


def test_the_scores_of_a_run_fall_strictly_so_that_no_tool_changes_the_order() -> None:
    ranking = [f"e{n}" for n in range(1_000)]
    lines = run_rows("red dress", ranking, "ltrr-memory").splitlines()
    columns = [line.split(" ") for line in lines]
    assert columns[0] == [query_id("red dress"), "Q0", "e0", "1", "1.000000000", "ltrr-memory"]
    scores = [float(row[4]) for row in columns]
    assert all(before > after for before, after in pairwise(scores))


def test_an_id_with_white_space_cannot_be_in_a_trec_file() -> None:
    with pytest.raises(UsageError, match="ids without white space"):
        run_rows("q", ["e 1"], "tag")


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    files = [tmp_path / "run.txt", tmp_path / "run.txt.queries.tsv"]

    def parts(*rankings: list[str]) -> Iterator[tuple[str, str]]:
        for ranking in rankings:
            yield run_rows("q", ranking, "tag"), query_text_line("q")

    with pytest.raises(UsageError, match="ids without white space"):
        write_files(files, parts(["e1"], ["e 1"]))
    assert list(tmp_path.iterdir()) == []
    write_files(files, parts(["e1"]))
    assert [file.read_text() for file in files] == [run_rows("q", ["e1"], "tag"), query_text_line("q")]
    with pytest.raises(LtrrError, match="the export cannot be written"):
        write_files([tmp_path / "missing" / "run.txt"], [["text"]])
