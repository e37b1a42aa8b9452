"""Notes of jobs: declared, checked, and equal after storage."""

from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from types import SimpleNamespace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.artifacts.payloads import Payload
from ltrr.errors import SchemaError, UsageError
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import NEVER_WRITTEN, Night
from ltrr.pipelines.note_codec import check_complete, decode_note, encode_notes
from ltrr.pipelines.notes import (
    NOTES,
    BanditNotes,
    ClickModelNotes,
    EvaluationNotes,
    HistoryNotes,
    IngestNotes,
    MemoryNotes,
    RankerNotes,
    ReleaseNotes,
    required_notes,
)
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
    assert {name: decode_note(kind, stored, name, DAY) for name in values} == values
    check_complete(kind, stored, DAY)


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


OPTIONAL = {
    IngestNotes: {"accepted_quality", "thinned_choices"},
    ClickModelNotes: {"examination_passes", "examination_converged"},
    MemoryNotes: set(),
    HistoryNotes: set(),
    BanditNotes: {field.name for field in fields(BanditNotes)},
    RankerNotes: {field.name for field in fields(RankerNotes)},
    EvaluationNotes: {
        *("accepted_quality", "life_dates", "canary_dates", "canary_objections"),
        *("ranker_trial", "ranker_life", "ranker_report"),
    },
    ReleaseNotes: set(),
}
"""Notes that some path of a job leaves out."""


@pytest.mark.parametrize("job", JOBS)
def test_a_note_is_optional_only_if_some_path_of_its_job_leaves_it_out(job):
    kind = NOTES[job]
    assert {field.name for field in fields(kind)} - set(required_notes(kind)) == OPTIONAL[kind]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_does_not_set_a_required_note_is_stopped(job):
    required = required_notes(NOTES[job])
    if not required:
        check_complete(NOTES[job], {}, DAY)
        return
    with pytest.raises(SchemaError, match=rf"required notes are missing: {job} of 2026-03-02: ") as caught:
        check_complete(NOTES[job], {}, DAY)
    assert all(name in str(caught.value) for name in required)


def test_all_notes_of_ltrr_0_1_are_read():
    """Rows of `job_runs` as ltrr 0.1 wrote them; notes that it did not have are None."""
    memory = {"memory_parts": '{"memory-0.npz": {"sha256": "00ff", "size": 12}}', "memory_prior_examinations": "4.5"}
    memory |= {"memory_churn": "0.2500", "memory_known": "nan"}
    history = {"history_sha256": "aa", "prior_draws_all": "2", "prior_draws_class": "3", "prior_draws_query": "4"}
    evaluation = {"champion_version": "v", "objections": '["one"]', "candidate_sha256": "", "challenger": ""}
    evaluation |= {"judged_dates": "7", "replayed_decisions": "9", "replay_worst_difference": "0"}
    evaluation |= dict.fromkeys(("impressions_by_policy", "impressions_by_other_space"), "9")
    evaluation |= dict.fromkeys(("impressions_by_static", "impressions_by_fallback"), "0")
    release = {"version": "v", "action": "refreshed", "why": "w", "verdict": "", "outcome": "", "challenger": ""}
    release |= {"canary": "", "canary_outcome": "", "canary_verdict": ""}
    stored = {
        IngestNotes: {"lines": "3", "impressions": "2", "gone": "x"},
        MemoryNotes: memory,
        HistoryNotes: history,
        BanditNotes: {"bandit_sha256": "ab", "decisions": "412", "progressive_loss": "-0.25"},
        RankerNotes: {"ranker_sha256": "cd", "ndcg_candidate": "0.5"},
        EvaluationNotes: evaluation,
        ReleaseNotes: release,
    }
    read = {
        kind: {field.name: decode_note(kind, texts, field.name, DAY) for field in fields(kind)}
        for kind, texts in stored.items()
    }
    assert read[MemoryNotes]["memory_parts"] == {"memory-0.npz": Payload("00ff", 12)}
    assert read[BanditNotes]["decisions"] == 412
    absent = {
        kind: {name for name, value in notes.items() if value is None} - OPTIONAL[kind] for kind, notes in read.items()
    }
    assert {kind: names for kind, names in absent.items() if names} == {
        IngestNotes: {"with_propensities", "query_key_version", "shadow_decisions"},
        MemoryNotes: {"first_open_week"},
        HistoryNotes: {"history_parts", "block_size", "blocks_since"},
        EvaluationNotes: {"distrusted_dates", "exploration_price", "draws_by_class", "served_ranker"},
        ReleaseNotes: {"ranker_outcome", "ranker_verdict"},
    }


def test_a_note_that_cannot_be_read_is_named():
    with pytest.raises(SchemaError, match="a note cannot be read: ingest_logs of 2026-03-02: lines: got 'many'"):
        decode_note(IngestNotes, {"lines": "many"}, "lines", DAY)


def night_with(*runs, job="publish_policy", day=DAY):
    """A night of `job` on `day` that sees these runs; the history starts on DAY."""
    by_job = {(run.job, run.run_date): run for run in runs}
    commits = SimpleNamespace(run=lambda job, day: by_job.get((job, day)))
    return Night(day, job, SimpleNamespace(first_date=DAY, first_night_date=DAY), None, None, commits)


def committed(job, notes):
    """Run of a job on DAY that set these notes."""
    return JobRun(job, DAY, 1, "c", "d", (), (), notes, 0.0)


def test_each_note_that_is_read_becomes_an_input_and_no_other():
    stored = encode_notes(BanditNotes, {"bandit_sha256": "ab", "decisions": 3, "mlflow_run_id": "r"})
    night = night_with(committed("train_bandit", stored))
    notes = night.notes_of(BanditNotes)
    assert night.inputs == set()
    assert (notes.bandit_sha256, notes.values, notes.mlflow_run_id) == ("ab", None, "r")
    assert night.inputs == {
        Input("train_bandit#bandit_sha256", DAY, NEVER_WRITTEN, note_state("ab")),
        Input("train_bandit#values", DAY, NEVER_WRITTEN, ""),
    }
    with pytest.raises(AttributeError):
        notes.no_such_note  # noqa: B018


def test_a_required_note_that_a_committed_run_lacks_is_an_error_with_the_command_to_run():
    night = night_with(committed("evaluate_policies", {"champion_version": "v"}))
    with pytest.raises(SchemaError) as caught:
        night.notes_of(EvaluationNotes).judged_dates  # noqa: B018
    assert str(caught.value) == (
        "required notes are missing: evaluate_policies of 2026-03-02: judged_dates; "
        "run `ltrr job evaluate_policies --date 2026-03-02` again"
    )


def test_notes_of_the_night_before_are_inputs_and_the_first_date_has_none():
    job, after = "compute_strategy_features", DAY + timedelta(days=1)
    assert night_with(job=job).previous_notes_of(HistoryNotes) is None
    night = night_with(committed(job, {"block_size": "5"}), job=job, day=after)
    notes = night.previous_notes_of(HistoryNotes)
    assert (notes.block_size, notes.blocks_since) == (5, None)
    assert night.inputs == {
        Input(f"{job}#block_size", DAY, NEVER_WRITTEN, note_state("5")),
        Input(f"{job}#blocks_since", DAY, NEVER_WRITTEN, ""),
    }


def test_notes_of_this_night_are_only_those_of_jobs_that_always_run_before():
    night = night_with(committed("train_ranker", {}), job="train_bandit")
    with pytest.raises(UsageError, match=r"train_bandit: notes of train_ranker.*previous_notes_of"):
        night.notes_of(RankerNotes)
