"""Logs in the shape of public bug reports: `ltrr ope` gives the right value, or one clear error."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cases.commands import Said

pytestmark = pytest.mark.spark

NAMES = ("reward", "logging_propensity", "pi", "user")
ROWS = [(int(n % 5 == 0), 0.5, 0.75 if n % 2 == 0 else 0.25, f"u{n % 7}") for n in range(60)]
"""Sixty decisions; the ips of pi is the mean of pi / p * reward."""

IPS = sum(pi / p * reward for reward, p, pi, _ in ROWS) / len(ROWS)
TABLE = pa.Table.from_pylist([dict(zip(NAMES, row, strict=True)) for row in ROWS])
CSV = "\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in ROWS)]) + "\n"
NDJSON = "".join(json.dumps(row) + "\n" for row in TABLE.to_pylist())


def value_of(answer: tuple[int, str, str], slice_: str = "all", estimator: str = "ips") -> float:
    code, out, err = answer
    assert (code, err) == (0, "")
    rows = {(row["slice"], row["estimator"]): row["value"] for row in json.loads(out)["estimates"]}
    return float(rows[slice_, estimator])


def error_of(answer: tuple[int, str, str], exit_code: int) -> str:
    code, out, err = answer
    assert (code, out, len(err.splitlines())) == (exit_code, "", 1)
    return err


PI = ("--target-propensity", "pi", "--estimator", "ips", "--json")


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("log.csv", CSV, "csv"),
        ("log.txt", CSV.replace(",", ";"), "csv"),
        ("log.tsv", CSV.replace(",", "\t").replace("\n", "\r\n"), "csv"),
        ("bom.csv", "\ufeff" + CSV.replace("\n", "\r\n"), "csv"),
        ("log.json", NDJSON, "ndjson"),
        ("obp.csv", CSV.replace("logging_propensity", "pscore"), "csv"),
        ("obp.json", NDJSON.replace("logging_propensity", "pscore"), "ndjson"),
    ],
)
def test_the_first_call_needs_no_format(said: Said, name: str, content: str, format_: str) -> None:
    Path(name).write_bytes(content.encode())
    answer = said(name, *PI)
    assert value_of(answer) == pytest.approx(IPS)
    assert json.loads(answer[1])["format"] == format_
    assert json.loads(answer[1])["detected_by"]


@pytest.mark.parametrize("name", ["log.json.gz", "log.json.zst", "log.json.bz2"])
def test_compressed_text_is_read(said: Said, name: str) -> None:
    with pa.CompressedOutputStream(name, {"gz": "gzip", "zst": "zstd"}.get(name[-3:].strip("."), "bz2")) as file:
        file.write(NDJSON.encode())
    assert value_of(said(name, *PI)) == pytest.approx(IPS)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"hello there\n", 'got text that begins with "hello there"'),
        (NDJSON.encode("utf-16"), "got text in UTF-16"),
        (b'[{"reward": 1}]', "got a JSON array, not one object a line"),
        (b"", "got an empty file"),
        (b"Obj\x01...", "got an Avro file"),
    ],
)
def test_an_unknown_format_is_one_error(said: Said, content: bytes, got: str) -> None:
    Path("log").write_bytes(content)
    assert got in error_of(said("log", *PI), 2)


@pytest.mark.parametrize("damage", ["cut", "plain"])
def test_a_damaged_gzip_is_named(said: Said, damage: str) -> None:
    whole = gzip.compress(NDJSON.encode() * 20)
    Path("log.json.gz").write_bytes(whole[: len(whole) // 2] if damage == "cut" else NDJSON.encode())
    said_of_it = error_of(said("log.json.gz", "--format", "ndjson", *PI), 1)
    assert "a compressed file is damaged or cut off" in said_of_it
    assert "log.json.gz" in said_of_it


def test_a_folder_with_something_else_names_it(said: Said) -> None:
    Path("log").mkdir()
    pq.write_table(TABLE, "log/a.parquet")
    Path("log/_SUCCESS").write_text("")
    Path("log/.a.parquet.crc").write_text("x")
    assert value_of(said("log", *PI)) == pytest.approx(IPS)
    Path("log/README.txt").write_text("hello\n")
    assert "log/README.txt" in error_of(said("log", *PI), 2)
    Path("log/README.txt").unlink()
    Path("log/b.parquet").write_bytes(Path("log/a.parquet").read_bytes()[:-100])
    assert "cut off or damaged" in error_of(said("log", *PI), 1)


@pytest.mark.parametrize("more", [("--user", "user"), (), ("--user", "user", "--feature", "user")])
def test_an_integer_is_a_number_in_any_file(said: Said, more: tuple[str, ...]) -> None:
    Path("log").mkdir()
    pq.write_table(TABLE, "log/a.parquet")
    pq.write_table(TABLE.set_column(0, "reward", TABLE["reward"].cast(pa.float64())), "log/b.parquet")
    assert value_of(said("log", *PI, *more)) == pytest.approx(IPS)


def test_files_that_lack_a_needed_column_are_named(said: Said) -> None:
    Path("log").mkdir()
    pq.write_table(TABLE, "log/a.parquet")
    pq.write_table(TABLE.drop_columns(["pi"]), "log/b.parquet")
    assert "log/b.parquet: expected pi as in log/a.parquet" in error_of(said("log", *PI), 2)
    Path("csv").mkdir()
    Path("csv/a.csv").write_text("a,b\n1,2\n")
    Path("csv/b.csv").write_text(CSV)
    assert "csv/a.csv: expected pi, reward, logging_propensity as in csv/b.csv" in error_of(said("csv", *PI), 2)


def test_columns_that_no_option_names_do_not_matter(said: Said) -> None:
    at = pa.array([10**18 + n for n in range(60)], pa.timestamp("ns", "UTC"))
    pq.write_table(TABLE.append_column("at", at), "log.parquet")
    assert value_of(said("log.parquet", *PI, "--user", "user")) == pytest.approx(IPS)
    asked = error_of(said("log.parquet", *PI, "--slice", "at"), 2)
    assert "at in " in asked
    assert "write it in microseconds" in asked


@pytest.mark.parametrize("name", ["log[1].parquet", "log{a}.parquet", "lo*?.parquet"])
def test_a_path_that_exists_is_no_pattern(said: Said, name: str) -> None:
    pq.write_table(TABLE, name)
    pq.write_table(TABLE.slice(0, 1), "log1.parquet")
    assert value_of(said(name, *PI)) == pytest.approx(IPS)
    assert value_of(said(name, *PI, "--feature", "user")) == pytest.approx(IPS)


@pytest.mark.parametrize("text", ["abc", '"0,5"', "", "NaN", "inf", "1e400"])
def test_the_message_shows_what_the_log_holds(said: Said, text: str) -> None:
    Path("log.csv").write_text(CSV.replace("\n0,", f"\n{text},", 1))
    shown = text.strip('"')
    assert f'reward: expected a number, 1 rows, such as "{shown}" in log.csv line 3' in error_of(
        said("log.csv", *PI), 1
    )


def test_an_array_as_numpy_prints_it_is_shown(said: Said) -> None:
    lines = ["item_id,click,propensity_score,bts", *(f"{n % 2},0,0.5,[0.75 0.25]" for n in range(9))]
    Path("log.csv").write_text("\n".join(lines))
    err = error_of(said("log.csv", "--target-propensity", "bts"), 1)
    assert 'JSON such as [0.75, 0.25], 9 rows, such as "[0.75 0.25]" in log.csv line 2' in err


def dsjson(n: int, cost: float, **more: Any) -> dict[str, Any]:
    taken = n % 2
    label = {"_label_cost": cost, "_label_probability": 0.5, "_label_Action": taken + 1, "_labelIndex": taken}
    order = {"a": [taken + 1, 2 - taken], "c": {"_multi": [{}, {}]}, "p": [0.5, 0.5]}
    return label | {"EventId": f"e{n}"} | order | more


def write_lines(records: Iterator[Any] | list[Any], name: str = "log.json") -> None:
    Path(name).write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records))


OWN = ("--target-propensity", "p", "--json")


@pytest.mark.parametrize("more", [(), ("--user", "event_id", "--bootstrap", "20")])
def test_dropped_decisions_count_by_their_rate(said: Said, more: tuple[str, ...]) -> None:
    clicks = [dsjson(n, -1.0, pdrop=0.0) for n in range(2)]
    write_lines(clicks + [dsjson(n, 0.0, pdrop=0.9) for n in range(20)])
    answer = said("log.json", *OWN, *more)
    for name in ("ips", "snips", "clipped_ips", "dr", "dm"):
        assert value_of(answer, estimator=name) == pytest.approx(2 / 202, abs=1e-3 if name in ("dr", "dm") else 1e-6)
    [row] = [row for row in json.loads(answer[1])["estimates"] if row["estimator"] == "ips"]
    assert row["decisions"] == 22
    assert row["decisions_before_drop"] == pytest.approx(202)


def test_slots_have_values_of_their_own_and_together(said: Said) -> None:
    def record(n: int) -> dict[str, Any]:
        slots = [("top", -float(n % 3 == 0), [0.5, 0.25, 0.25]), ("side", -float(n % 5 == 0), [0.5, 0.5])]
        outcomes = [{"_label_cost": cost, "_id": name, "_a": [0, 1, 2][: len(p)], "_p": p} for name, cost, p in slots]
        mine = [[1.0, 0.0, 0.0], [0.25, 0.75]]
        return {"EventId": f"e{n}", "c": {"_slots": [{}, {}]}, "_outcomes": outcomes, "mine": mine}

    write_lines([record(n) for n in range(30)])
    answer = said("log.json", *OWN)
    assert value_of(answer, "slot=top") == pytest.approx(10 / 30)
    assert value_of(answer, "slot=side") == pytest.approx(6 / 30)
    assert value_of(answer) == pytest.approx(16 / 30)
    answer = said("log.json", "--target-propensity", "mine", "--json")
    assert value_of(answer, "slot=top") == pytest.approx(2.0 * 10 / 30)
    assert value_of(answer, "slot=side") == pytest.approx(0.5 * 6 / 30)
    assert value_of(answer) == pytest.approx(2.0 * 0.5 * 16 / 30)


def test_damaged_lines_are_counted_as_lost_decisions(said: Said) -> None:
    lines = [json.dumps(dsjson(n, -float(n % 4 == 0))) for n in range(40)]
    lines[20] = lines[20][:50]
    lines[8] = lines[8].replace(",", ",,", 1)
    lines[3] = lines[3].replace('"EventId"', '"_label_cost": -1, "EventId"')
    write_lines([*lines, {"RewardValue": 1.0, "EventId": "e1"}, dsjson(1, -1.0, _skipLearn=True)])
    answer = said("log.json", *OWN)
    assert value_of(answer) == pytest.approx(8 / 37)
    found = json.loads(answer[1])
    assert found["skipped"] == {
        "a key occurs twice in one line": 1,
        "an observation that came after its decision": 1,
        "malformed JSON: cut off, or not JSON": 2,
        "not activated": 1,
    }
    assert found["skipped_examples"]["malformed JSON: cut off, or not JSON"] == "log.json line 9"
    assert any("up to 3 decisions are missing" in reason for reason in found["estimates"][0]["reasons"])
    assert found["estimates"][0]["verdict"] != "trust"


def test_deferred_actions_count_once_they_are_taken(said: Said) -> None:
    taken = [{"v": 1.0, "ActionTaken": True}]
    write_lines(
        [dsjson(n, -1.0, DeferredAction=True) for n in range(3)]
        + [dsjson(n, -0.0, DeferredAction=True, o=taken) for n in range(4)]
        + [dsjson(n, -1.0, DeferredAction=False, _original_label_cost=-2.0) for n in range(2)]
    )
    answer = said("log.json", *OWN)
    assert value_of(answer) == pytest.approx(2 / 6)
    assert json.loads(answer[1])["skipped"] == {"not activated": 3}


def test_the_cost_before_learning_is_a_reward_too(said: Said) -> None:
    write_lines([dsjson(n, -1.0, _original_label_cost=-3.0) for n in range(4)])
    assert value_of(said("log.json", *OWN, "--reward", "_original_label_cost")) == pytest.approx(3.0)


def test_byte_order_marks_and_windows_lines_change_nothing(said: Said) -> None:
    text = "\r\n".join(json.dumps(dsjson(n, -float(n % 4 == 0))) for n in range(40))
    Path("log.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert value_of(said("log.json", *OWN)) == pytest.approx(10 / 40)


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.json"])
def test_true_is_one_in_any_format(said: Said, name: str) -> None:
    table = TABLE.set_column(0, "reward", TABLE["reward"].cast(pa.bool_()))
    if name == "log.parquet":
        pq.write_table(table, name)
    elif name == "log.json":
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        Path(name).write_text(CSV.replace("\n0,", "\nFalse,").replace("\n1,", "\nTrue,"))
    assert value_of(said(name, *PI)) == pytest.approx(IPS)


def test_numbers_in_text_are_the_same_features_as_in_parquet(said: Said) -> None:
    rows = [
        {**row, "action": n % 2, "age": 0.1 * (n % 9), "mine": [0.75, 0.25], "event": n}
        for n, row in enumerate(TABLE.to_pylist())
    ]
    pq.write_table(pa.Table.from_pylist(rows), "log.parquet")
    Path("log.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [";".join(rows[0]), *(";".join(map(str, row.values())) for row in rows)]
    Path("log.csv").write_text("\n".join(lines))
    columns = ("--action", "action", "--feature", "age", "--fold-by", "event", "--estimator", "dr", "--json")
    values = [
        value_of(said(name, "--target-propensity", "mine", *columns), estimator="dr")
        for name in ("log.parquet", "log.json", "log.csv")
    ]
    assert values == [values[0]] * 3
