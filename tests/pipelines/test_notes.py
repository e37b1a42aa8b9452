"""Laws of the notes: what a job sets is what its readers read, faults are all named, and a read is an input."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, replace
from datetime import date
from types import NoneType, SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.artifacts.learned_values import LearnedValues, StoredValues
from ltrr.artifacts.payloads import Payload
from ltrr.config import Settings
from ltrr.errors import CommitError, SchemaError
from ltrr.pipelines import job_runner
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.note_codec import check_complete, decode_note, decode_notes, encode_notes
from ltrr.pipelines.notes import (
    NOTES,
    BanditNotes,
    EvaluationNotes,
    HistoryNotes,
    IngestNotes,
    MemoryNotes,
    ReleaseNotes,
)
from ltrr.spark.commits import Input, JobRun, note_state

FIRST, DAY = date(2026, 3, 1), date(2026, 3, 2)
TEXT = st.text(max_size=20)
# Six digits are what a note keeps of a number.
NUMBERS = st.floats(allow_infinity=False).map(lambda value: float(f"{value:.6g}"))
PAYLOADS = st.dictionaries(TEXT, st.builds(Payload, TEXT, st.integers(0, 10**9)), max_size=3)
FIGURES = st.dictionaries(TEXT, st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=3), max_size=3)
STRATEGIES = {
    "int": st.integers(0, 10**12),
    "float": NUMBERS,
    "str": TEXT,
    "bool": st.booleans(),
    "date": st.dates(),
    "Mapping[str, Payload]": PAYLOADS,
    "Mapping[str, str]": st.dictionaries(TEXT, TEXT, max_size=3),
    "Mapping[str, Mapping[str, Any]]": FIGURES,
    "Mapping[str, Any]": FIGURES,
    "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
    "tuple[date, ...]": st.lists(st.dates(), max_size=3).map(tuple),
}


def values_of(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Values of all notes of a job; None where a note may be left out."""
    made = {}
    for field in fields(kind):
        name = field.type.removesuffix(" | None")
        made[field.name] = st.none() | STRATEGIES[name] if name != field.type else STRATEGIES[name]
    return st.fixed_dictionaries(made)


def is_equal(one: Any, other: Any) -> bool:
    """Whether two notes are equal, NaN with NaN."""
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize("job", JOBS)
@given(data=st.data())
def test_notes_are_read_back_as_they_were_set(job: str, data: st.DataObject) -> None:
    values = data.draw(values_of(NOTES[job]))
    texts = encode_notes(NOTES[job], values)
    assert all(isinstance(text, str) for text in texts.values())
    found = decode_notes(NOTES[job], texts)
    assert [name for name, value in values.items() if not is_equal(value, getattr(found, name))] == []


@pytest.mark.parametrize("job", JOBS)
def test_each_job_declares_its_notes_and_describes_each(job: str) -> None:
    kind = NOTES[job]
    assert kind.job == job
    described = kind.__doc__ or ""
    assert [field.name for field in fields(kind) if f"        {field.name}: " not in described] == []
    hints = get_type_hints(kind)
    optional = [field for field in fields(kind) if NoneType in get_args(hints[field.name])]
    assert [field.name for field in optional if field.default is not None] == []


def test_all_faults_are_in_one_message() -> None:
    wrong: dict[str, object] = {"lines": "3", "impressions": 2.5, "line": 3, "accepted_quality": {"clicks": 1}}
    with pytest.raises(SchemaError) as raised:
        encode_notes(IngestNotes, wrong)
    message = str(raised.value)
    assert [
        name
        for name in ("ingest_logs", "lines: ", "impressions: ", "line: ", "accepted_quality: ")
        if name not in message
    ] == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (MemoryNotes, {"first_open_week": "2026-03-02"}),
        (MemoryNotes, {"memory_parts": {"memory-0.npz": {"sha256": "00", "size": "big"}}}),
        (EvaluationNotes, {"objections": "one"}),
        (EvaluationNotes, {"judged_dates": True}),
        (ReleaseNotes, {"why": 3}),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, values: dict[str, object]) -> None:
    with pytest.raises(SchemaError, match=f"do not fit.*{next(iter(values))}: expected"):
        encode_notes(kind, values)


@pytest.mark.parametrize("job", JOBS)
def test_each_required_note_that_is_missing_is_named(job: str) -> None:
    required = [field.name for field in fields(NOTES[job]) if field.default is MISSING]
    if not required:
        check_complete(NOTES[job], {})
        return
    with pytest.raises(SchemaError) as raised:
        check_complete(NOTES[job], {})
    assert str(raised.value).endswith(", ".join(required))


def test_a_real_job_that_leaves_a_required_note_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    forgets = SimpleNamespace(run=lambda night: night.note(lines=3))
    monkeypatch.setattr(job_runner, "import_module", lambda _name: forgets)
    night = Night(DAY, "ingest_logs", None, None, None, None)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"ingest_logs.*impressions"):
        job_runner.load_job("ingest_logs")(night)


def test_rows_of_earlier_versions_are_read() -> None:
    memory = {
        "memory_parts": '{"memory-0.npz": {"sha256": "00ff", "size": 12}}',
        "memory_prior_examinations": "12.5",
        "memory_churn": "0.0250",
        "memory_known": "nan",
        "first_open_week": "2026-03-02",
        "a_note_of_long_ago": "1",
    }
    read = decode_notes(MemoryNotes, memory)
    assert read.memory_parts == {"memory-0.npz": Payload("00ff", 12)}
    assert (read.memory_churn, read.first_open_week) == (0.025, date(2026, 3, 2))
    assert math.isnan(read.memory_known or 0.0)
    # ltrr 0.1 knew no history of single queries, no size of blocks and no written dates.
    history = decode_notes(HistoryNotes, {"history_sha256": "ab", "prior_draws_all": "1e+02"})
    assert (history.history_parts, history.block_size, history.prior_draws_all) == (None, None, 100.0)
    stored = StoredValues(LearnedValues(2, 3.0), {"block_value-0.ubj": "00ff"})
    bandit = decode_notes(BanditNotes, {"bandit_sha256": "cd", "values": stored.to_note()})
    assert StoredValues.of_note(bandit.values or "") == stored
    evaluated = {"champion_version": "v", "objections": '["a", "b"]', "distrusted_dates": '["2026-03-01"]'}
    evaluated |= {"exploration_price": '{"champion": {"value_lost": null}}', "impressions_by_policy": "7"}
    found = decode_notes(EvaluationNotes, evaluated)
    assert (found.objections, found.distrusted_dates) == (("a", "b"), (FIRST,))
    assert found.exploration_price == {"champion": {"value_lost": None}}
    assert found.impressions_by_policy == 7


@pytest.mark.parametrize(("texts", "message"), [({}, "is missing"), ({"lines": "many"}, "cannot be read")])
def test_a_note_that_is_missing_or_damaged_is_named(texts: dict[str, str], message: str) -> None:
    with pytest.raises(SchemaError, match=f"{message}: ingest_logs: lines"):
        decode_note(IngestNotes, texts, "lines")


def night_of(job: str, notes: dict[str, dict[str, str]], day: date = DAY) -> Night:
    """A night whose log of commits holds runs with these notes on every date."""
    settings = replace(Settings(policy=None), history_starts=FIRST)  # type: ignore[arg-type]
    made = {name: JobRun(name, DAY, 1, "test", "test", (), (), texts, 0.0) for name, texts in notes.items()}

    def run(name: str, of: date) -> JobRun | None:
        return replace(made[name], run_date=of) if name in made else None

    return Night(day, job, settings, None, None, SimpleNamespace(run=run))  # type: ignore[arg-type]


def test_each_note_that_is_read_and_no_other_is_an_input() -> None:
    told = {"bandit_sha256": "ab", "mlflow_run_id": "r", "decisions": "5"}
    night = night_of("evaluate_policies", {"train_bandit": told})
    trained = night.notes_of(BanditNotes)
    assert night.inputs == set(), "asking for the notes reads none of them"
    assert (trained.bandit_sha256, trained.mlflow_run_id, trained.values) == ("ab", "r", None)
    assert night.inputs == {
        Input("train_bandit#bandit_sha256", DAY, -1, note_state("ab")),
        Input("train_bandit#values", DAY, -1, ""),
    }, "a note that was not set is an input too, the run in MLflow is none"
    assert not hasattr(trained, "bandit")


def test_notes_are_of_the_same_night_or_the_night_before_and_defaults_before_the_first() -> None:
    notes = {"build_memory": {"memory_parts": "{}", "first_open_week": "2026-03-02"}, "ingest_logs": {"lines": "3"}}
    night = night_of("build_memory", notes)
    assert night.notes_of(IngestNotes).lines == 3
    assert night.notes_of(MemoryNotes).first_open_week == date(2026, 3, 2)
    assert {read.run_date for read in night.inputs} == {DAY, FIRST}
    first = night_of("build_memory", notes, FIRST)
    assert first.notes_of(MemoryNotes).first_open_week is None
    assert first.inputs == set()
    with pytest.raises(CommitError, match="train_bandit"):
        night_of("evaluate_policies", {}).notes_of(BanditNotes)
