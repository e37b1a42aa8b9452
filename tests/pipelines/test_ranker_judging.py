"""A ranker's trial in its two jobs: it begins, is evaluated, and is promoted or replaced."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from ltrr.artifacts.bundle import publish_bundle, read_manifest, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.config import Settings
from ltrr.estimation.sequential import PROMOTE
from ltrr.pipelines.notes import EvaluationNotes, RankerNotes, required_notes
from ltrr.pipelines.ranker_judging import judge_rankers, review_night_ranker
from ltrr.publishing.trials import RANKER_TRIAL, REPLACED, current_trial
from ltrr.ranking.rows import only_training, to_ranking_rows
from ltrr.ranking.settings import RankerSettings
from ltrr.ranking.training import train_ranker
from ltrr.spark.columns import empty
from ltrr.tables.catalog import table
from tests.ranking.shown import DAY, NAMES, SPACE, frame_of, pages

pytestmark = pytest.mark.spark

POLICY = PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget)


@pytest.fixture(scope="module")
def home(_session, tmp_path_factory):
    """A champion without a ranker, three dates of pages, and a ranker of the first one."""
    root = str(tmp_path_factory.mktemp("policies"))
    version = publish_bundle(root, "search", *uniform_bundle(POLICY, DAY))
    made = [
        (*row[:2], DAY + timedelta(days=number), *row[3:])
        for number in range(3)
        for row in pages(1_500, seed=3 + number)
    ]
    rows = to_ranking_rows(frame_of(_session, made), 0.05, 10.0).cache()
    settings = Settings(policy=POLICY, ranker=RankerSettings(trees=10, max_depth=3, min_queries=20))
    learned = only_training(rows.where(rows.log_date == DAY), 30, 30)
    model = train_ranker(learned, NAMES, settings.ranker)
    sha256 = put_payload(f"{root}/search", model).sha256
    unlogged = {name: empty(_session, table(name)) for name in ("impressions", "limited_users")}
    frames = {"ranking_rows": rows, **unlogged}
    return SimpleNamespace(
        root=root, settings=settings, frames=frames, sha256=sha256, champion=read_manifest(root, "search", version)
    )


def night(home, number, candidate, evaluated=None, basis=None):
    """Night `number` for both jobs; its closed dates are those before it."""
    day, notes = DAY + timedelta(days=number), {}
    noted = {
        RankerNotes: RankerNotes(ranker_sha256=candidate, ranker_basis=basis),
        EvaluationNotes: EvaluationNotes(**dict.fromkeys(required_notes(EvaluationNotes)) | (evaluated or {})),
    }
    return SimpleNamespace(
        date=day,
        settings=home.settings,
        policies_root=home.root,
        notes=notes,
        note=lambda **values: notes.update(values),
        notes_of=noted.__getitem__,
        read=home.frames.__getitem__,
        closed_dates=lambda last=None: [DAY + timedelta(days=n) for n in range(number)][-(last or number) :],
    )


def turn(home, number, book, candidate):
    """Run both jobs of a night; returns the review and the notes."""
    evaluating = night(home, number, candidate)
    judge_rankers(evaluating, home.champion, book, distrusted=(), objections=())
    review = review_night_ranker(night(home, number, candidate, evaluating.notes), home.champion, book)
    return review, evaluating.notes


def test_a_better_ranker_begins_is_judged_on_later_dates_alone_and_is_promoted(home):
    review, notes = turn(home, 1, (), home.sha256)
    trial = current_trial(review.challengers, RANKER_TRIAL)
    assert (trial.data_end, trial.bandit.files) == (DAY, {"ranker.ubj": home.sha256})
    report = notes["ranker_report"]
    assert report["difference"] > 0.0
    review, notes = turn(home, 3, review.challengers, "another")
    life = notes["ranker_life"]
    assert life["nights"] == 2
    later = home.frames["ranking_rows"].where(f"log_date > DATE'{DAY}'")
    assert life["impressions"] == later.select("log_date", "impression_id").distinct().count()
    # All users and queries of the later dates; the report has the held-out ones of the window.
    assert life["users"] > report["users"]
    assert (review.judged.outcome, review.promoted) == (PROMOTE, home.sha256)


def test_a_trial_is_not_judged_where_it_was_evaluated_against_another_order(home):
    review, _ = turn(home, 1, (), home.sha256)
    stale = review_night_ranker(night(home, 3, "another", {"served_ranker": "x"}), home.champion, review.challengers)
    assert stale.judged.looks == ()
    assert "evaluate again" in stale.why
    # The champion gets another ranker, so the looks of the trial no longer apply.
    other = home.champion.with_files({**home.champion.files, "ranker.ubj": Payload(home.sha256, 1)})
    evaluating = night(home, 3, "")
    judge_rankers(evaluating, other, review.challengers, distrusted=(), objections=())
    assert "ranker_life" not in evaluating.notes
    replaced = review_night_ranker(night(home, 3, "", evaluating.notes), other, review.challengers)
    assert replaced.judged.outcome == REPLACED


def test_a_ranker_of_pages_without_logged_features_begins_no_trial(home):
    """Its log cannot show the order that serves, so no comparison with that order exists."""
    evaluating = night(home, 1, home.sha256, basis="known")
    judge_rankers(evaluating, home.champion, (), distrusted=(), objections=())
    assert "ranker_report" not in evaluating.notes
    review = review_night_ranker(night(home, 1, home.sha256, evaluating.notes, "known"), home.champion, ())
    assert (review.challengers, review.promoted) == ((), "")
    assert "no trial begins: the ranker was trained on pages without logged features" in review.why
