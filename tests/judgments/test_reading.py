"""Files of judgments: the forms that other tools write, and faults listed all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltrr.errors import UsageError
from ltrr.judgments.csv_lists import read_csv
from ltrr.judgments.formats import FORMATS, guess_format, read_file
from ltrr.judgments.json_lists import read_json
from ltrr.judgments.judgment import MOST_FAULTS, Reading, by_key
from ltrr.judgments.trec_lists import read_letor, read_qrels

# The same three judgments in every form.
EXPECTED = {("red dress", "e1"): 3.0, ("red dress", "e2"): 0.0, ("c#", "e1"): 1.0}
QUERIES = "1\tRed  dress\n2\tC#\n"
FILES = {
    "quepid.csv": "\nquery,docid,rating\nRed dress,e1,3\n\nRed dress,e2,0\nunrated query\nC#,e1,1\n",
    "excel.csv": "\ufeffRating,Query,DocID,who\r\n3,red dress,e1,ada\r\n0,red dress,e2,ada\r\n1,C#,e1,bob\r\n",
    "quepid-ratings.json": json.dumps(
        {"queries": [{"query": "Red dress", "ratings": {"e1": 3, "e2": 0}}, {"query": "C#", "ratings": {"e1": 1.0}}]}
    ),
    "quepid-case.json": json.dumps(
        {
            "case_name": "dresses",
            "queries": [
                {"query_text": "Red dress", "options": {}, "ratings": {"e1": 3, "e2": 0}},
                {"query_text": "C#", "notes": "", "ratings": [{"doc_id": "e1", "rating": 1, "user_email": "a@b"}]},
                {"query_text": "unrated query", "ratings": {}},
            ],
        }
    ),
    "srw.json": json.dumps(
        {
            "name": "Imported Judgments",
            "type": "IMPORT_JUDGMENT",
            "judgmentRatings": [
                {
                    "query": "red dress",
                    "ratings": [{"docId": "e1", "rating": "3.000"}, {"docId": "e2", "rating": "0.000"}],
                },
                {"query": "c#", "ratings": [{"docId": "e1", "rating": 1}]},
            ],
        }
    ),
    "list.qrels": "1 0 e1 3\n1 0 e2 0\n2\tQ0\te1\t1\n",
    "quepid-ltr.txt": "3 qid:1 # e1 Red dress\n0 qid:1 # e2 Red dress\n1 qid:2 # e1 C#\n",
    "elasticsearch-ltr.txt": (
        "# qid:1: red dress*1\n# qid:2: C#*1\n#\n3 qid:1 1:0.5 2:1e-3 #\te1\n0 qid:1 # e2\n1 qid:2 # e1\n"
    ),
    "letor.txt": (
        "3 qid:1 1:0.5 2:0.1 #docid = e1 inc = 1 prob = 0.1\n0 qid:1 1:0 #docid = e2 inc = 1\n1 qid:2 1:1 # e1\n"
    ),
}
WITH_QUERIES = ("list.qrels", "letor.txt")


def keyed(reading: Reading) -> dict[tuple[str, str], float]:
    return {pair: judgment.grade for pair, judgment in by_key(reading, 2, "file").items()}


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_judgments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8", newline="")
    queries = None
    if name in WITH_QUERIES:
        queries = tmp_path / "queries.tsv"
        queries.write_text(QUERIES)
    assert keyed(read_file(tmp_path / name, "auto", queries)) == EXPECTED
    assert guess_format(FILES[name].removeprefix("\ufeff")) in FORMATS


def test_queries_without_a_judgment_are_counted() -> None:
    assert read_csv(FILES["quepid.csv"]).unjudged_queries == 1
    assert read_json(FILES["quepid-case.json"]).unjudged_queries == 1


def test_all_faults_are_listed_with_their_lines_and_nothing_is_accepted() -> None:
    text = "query,docid,rating\nq,e1,3\nq,,1\nq,e3,good\nq,e4,nan\n,e5,1\nq,e1,2\n\u200b,e6,1\n"
    with pytest.raises(UsageError) as refused:
        by_key(read_csv(text), 2, "list.csv")
    message = str(refused.value)
    assert "6 faults" in message
    for fault in (
        "line 3: an entity id is expected",
        "line 4: a number is expected as grade, got 'good'",
        "line 5: a number is expected as grade, got 'nan'",
        "line 6: a query is expected",
        "line 7: grade 2, but line 2 has 3 for the same query and entity",
        "line 8: the query has no visible character",
    ):
        assert fault in message
    assert "nothing was imported" in message


@pytest.mark.parametrize(
    ("reading", "fault"),
    [
        (read_csv("a,b\n1,2\n"), "line 1: a header with query or query_text, docid or doc_id, rating or grade"),
        (read_csv('query,docid,rating\n"q,e1,3\n'), "not CSV"),
        (read_csv("query,docid,rating\nq,e1\n"), "line 2: 3 columns are expected, got 2"),
        (read_csv(""), "no judgment"),
        (read_json("{"), "not JSON"),
        (read_json("[1]"), "an object with `queries` or `judgmentRatings` is expected"),
        (read_json('{"queries": [3, {"query": "q", "ratings": 7}]}'), "queries[0]: an object with"),
        (read_json('{"queries": {"q": 1}}'), "queries: a list is expected"),
        (read_json('{"judgmentRatings": [{"query": "q", "ratings": [{"docId": "e"}]}]}'), "ratings[0]: a number"),
        (read_qrels("1 0 e1\n", {}), "line 1: 4 columns are expected, got 3"),
        (read_qrels("9 0 e1 1\n", {"1": "q"}), "line 1: query id '9' has no text"),
        (read_letor("3 qid:1 1:0.5\n"), "line 1: `grade qid:ID features # entity-id` is expected"),
        (read_letor("high qid:1 # e1 q\n"), "line 1: a number is expected as grade, got 'high'"),
        (read_letor("1 qid:1 1:0.5 #docid = e1 inc = 1\n"), "line 1: query id '1' has no text"),
    ],
)
def test_a_file_of_another_form_names_its_fault(reading: Reading, fault: str) -> None:
    with pytest.raises(UsageError) as refused:
        by_key(reading, 2, "file")
    assert fault in str(refused.value)


def test_a_repeated_judgment_counts_once_and_spellings_are_one_query() -> None:
    reading = read_csv("query,docid,rating\nRed Dress,e1,3\nred  dress!,e1,3\nC#,e1,1\nC,e1,0\n")
    assert keyed(reading) == {("red dress", "e1"): 3.0, ("c#", "e1"): 1.0, ("c", "e1"): 0.0}
    with pytest.raises(UsageError, match="grade 0, but line 4 has 1"):
        by_key(reading, 1, "file")


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    text = "query,docid,rating\n" + "q,e,bad\n" * (MOST_FAULTS + 20)
    with pytest.raises(UsageError, match=r"120 faults.*and 20 more"):
        by_key(read_csv(text), 2, "file")


def test_qrels_need_the_texts_of_their_queries(tmp_path: Path) -> None:
    (tmp_path / "list.qrels").write_text("1 0 e1 3\n")
    with pytest.raises(UsageError, match="TREC qrels name queries by ids only"):
        read_file(tmp_path / "list.qrels", "auto", None)
    with pytest.raises(UsageError, match="a file cannot be read"):
        read_file(tmp_path / "missing.csv", "auto", None)
    (tmp_path / "latin.csv").write_bytes(b"query,docid,rating\ncaf\xe9,e1,1\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_file(tmp_path / "latin.csv", "auto", None)
    with pytest.raises(UsageError, match="unknown format of judgments"):
        read_file(tmp_path / "list.qrels", "excel", None)
