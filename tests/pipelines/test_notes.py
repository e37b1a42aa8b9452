"""Notes of jobs: declared, checked, and the same after they were stored."""

from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from types import SimpleNamespace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.artifacts.payloads import Payload
from ltrr.errors import SchemaError
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import NOTHING_YET, Night
from ltrr.pipelines.note_codec import check_complete, decode_note, decode_notes, encode_notes
from ltrr.pipelines.notes import NOTES, BanditNotes, EvaluationNotes, HistoryNotes, IngestNotes, MemoryNotes
from ltrr.spark.commits import Input, JobRun, note_state

DAY = date(2026, 3, 2)

texts = st.text(max_size=8)
payloads = st.builds(Payload, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 10**9))
dates = st.dates(date(1990, 1, 1), date(2100, 1, 1))
six_digits = st.floats(-1e6, 1e6).map(lambda value: float(f"{value:.6g}"))
json_values = st.dictionaries(texts, st.one_of(st.none(), st.integers(-9, 9), texts, six_digits), max_size=3)
STRATEGIES = {
    "str": texts,
    "int": st.integers(-(10**12), 10**12),
    "float": six_digits,
    "bool": st.booleans(),
    "date": dates,
    "tuple[str, ...]": st.lists(texts, max_size=3).map(tuple),
    "tuple[date, ...]": st.lists(dates, max_size=3).map(tuple),
    "Mapping[str, str]": st.dictionaries(texts, texts, max_size=3),
    "Mapping[str, Payload]": st.dictionaries(texts, payloads, max_size=3),
    "Mapping[str, Any]": json_values,
    "Mapping[str, Mapping[str, Any]]": st.dictionaries(texts, json_values, max_size=3),
}


def noted(kind):
    """Values of all notes of a job."""
    hints = {field.name: str(field.type).removesuffix(" | None") for field in fields(kind)}
    return st.fixed_dictionaries({name: STRATEGIES[hint] for name, hint in hints.items()})


@pytest.mark.parametrize("job", JOBS)
@given(data=st.data())
def test_notes_are_the_same_after_they_were_stored(job, data):
    kind = NOTES[job]
    values = data.draw(noted(kind))
    stored = encode_notes(kind, values)
    assert all(isinstance(text, str) for text in stored.values())
    assert decode_notes(kind, stored) == kind(**values)


def test_each_job_declares_its_notes_and_each_note_says_what_it_is():
    assert tuple(NOTES) == JOBS
    for kind in NOTES.values():
        assert is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
        undescribed = [field.name for field in fields(kind) if f"        {field.name}: " not in (kind.__doc__ or "")]
        assert undescribed == []
        assert get_type_hints(kind)


def test_all_faults_are_listed_at_once():
    with pytest.raises(SchemaError) as caught:
        encode_notes(EvaluationNotes, {"judged_dates": "3", "objections": ["a list"], "judged_date": 3})
    for part in ("judged_dates: expected int, got '3'", "objections: expected", "judged_date: no such note"):
        assert part in str(caught.value)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_does_not_set_a_required_note_is_stopped(job):
    required = [field.name for field in fields(NOTES[job]) if field.default is MISSING]
    if not required:
        check_complete(NOTES[job], {})
        return
    with pytest.raises(SchemaError, match="did not set all of its notes") as caught:
        check_complete(NOTES[job], {})
    assert all(name in str(caught.value) for name in required)


def test_notes_of_earlier_versions_are_read():
    """Rows of `job_runs` as ltrr 0.2 wrote them."""
    bandit = {"bandit_sha256": "ab", "decisions": "412", "progressive_loss": "-0.25", "rows_through": "2026-03-01"}
    assert decode_notes(BanditNotes, bandit).decisions == 412
    assert decode_notes(BanditNotes, bandit).rows_through == date(2026, 3, 1)
    memory = {"memory_parts": '{"memory-0.npz": {"sha256": "00ff", "size": 12}}', "memory_known": "nan"}
    assert decode_notes(MemoryNotes, memory).memory_parts == {"memory-0.npz": Payload("00ff", 12)}
    evaluation = {"champion_version": "v", "objections": '["one"]', "distrusted_dates": '["2026-03-01"]'}
    evaluation |= {"impressions_by_policy": "9", "exploration_price": "{}"}
    assert decode_note(EvaluationNotes, evaluation, "distrusted_dates") == (date(2026, 3, 1),)
    assert decode_notes(EvaluationNotes, evaluation).ranker_life is None
    assert decode_notes(IngestNotes, {"lines": "3", "impressions": "2", "gone": "x"}).lines == 3


def test_a_note_that_cannot_be_read_is_named():
    with pytest.raises(SchemaError, match="a note cannot be read: ingest_logs: lines: got 'many'"):
        decode_note(IngestNotes, {"lines": "many"}, "lines")


def night_with(*runs):
    """A night of `publish_policy` on DAY that sees these runs."""
    by_job = {run.job: run for run in runs}
    commits = SimpleNamespace(run=lambda job, day: by_job.get(job) if day == DAY else None)
    return Night(DAY, "publish_policy", SimpleNamespace(first_date=DAY), None, None, commits)


def test_each_note_that_is_read_becomes_an_input_and_no_other():
    stored = encode_notes(BanditNotes, {"bandit_sha256": "ab", "decisions": 3, "mlflow_run_id": "r"})
    night = night_with(JobRun("train_bandit", DAY, 1, "c", "d", (), (), stored, 0.0))
    notes = night.notes_of(BanditNotes)
    assert night.inputs == set()
    assert (notes.bandit_sha256, notes.values, notes.mlflow_run_id) == ("ab", None, "r")
    assert night.inputs == {
        Input("train_bandit#bandit_sha256", DAY, NOTHING_YET, note_state("ab")),
        Input("train_bandit#values", DAY, NOTHING_YET, ""),
    }
    with pytest.raises(AttributeError):
        notes.no_such_note  # noqa: B018


def test_before_the_first_date_optional_notes_have_their_defaults():
    night = night_with()
    night.job = "compute_strategy_features"
    assert night.notes_of(HistoryNotes).block_size is None
    with pytest.raises(SchemaError, match="a note is missing: compute_strategy_features: history_sha256"):
        night.notes_of(HistoryNotes).history_sha256  # noqa: B018
    assert night.inputs == set()
