"""Records of a night's release: rows of two tables, notes, and the run in MLflow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ltrr.artifacts.pointer import Canary, Pointer
from ltrr.estimation.sequential import PROMOTE
from ltrr.pipelines.assemble_bundle import AssembledBundle, CanaryBundle
from ltrr.pipelines.canary import report_canary
from ltrr.pipelines.challenger_review import EarlierAttempt, report_challenger
from ltrr.pipelines.choose_release import REFRESH_WHY, ReleaseChoice, TrialReviews, canary_why
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.ranker_judging import report_ranker
from ltrr.publishing.challenger_rows import challenger_rows
from ltrr.publishing.moves import Move
from ltrr.publishing.release import CANARY_ENDED, REFRESHED, REFUSED, Release
from ltrr.publishing.release_rows import release_rows
from ltrr.tracking.run import TrackedRun

_BY = "publish_policy"


@dataclass(frozen=True)
class NightRelease:
    """Everything that an attempt of `publish_policy` decided and did.

    Attributes:
        champion: Pointer move that named the champion when the night first began.
        pointer: Pointer of that move.
        earlier: Earlier attempt of the same night.
        reviews: Reviewed trials.
        canary_bundle: Canary of the night.
        choice: Chosen release.
        version: Published version.
        sequence: Sequence number of the pointer that names the version; None if the night did not
            move the pointer.
    """

    champion: Move
    pointer: Pointer
    earlier: EarlierAttempt
    reviews: TrialReviews
    canary_bundle: CanaryBundle | None
    choice: ReleaseChoice
    version: str
    sequence: int | None

    @property
    def canary(self) -> Canary | None:
        """The canary as the pointer names it after this night."""
        return self.canary_bundle.canary if self.canary_bundle and self.reviews.canary.is_running else None


def record_release(night: Night, tracked: TrackedRun, release: NightRelease) -> None:
    """Write the rows and notes of a release, and report it in MLflow."""
    _write_rows(night, release)
    _set_notes(night, release)
    _report(tracked, release)


def report_jobs(night: Night) -> None:
    """Report seconds and notes of the earlier jobs in the night's own MLflow run."""
    done = [run for job in JOBS if job != night.job and (run := night.commits.run(job, night.date)) is not None]
    tracked = night.tracking.night_run()
    tracked.metrics({f"seconds_{run.job}": run.seconds for run in done} | {"seconds": sum(run.seconds for run in done)})
    tracked.artifact_json("jobs.json", {run.job: dict(run.notes) | {"attempt": run.attempt} for run in done})


def _write_rows(night: Night, release: NightRelease) -> None:
    choice, name = release.choice, night.settings.policy.name
    refused = [_row(night, release, bundle, bundle.version, REFUSED, why) for bundle, why in choice.refused]
    released = _row(night, release, choice.bundle, release.version, choice.action, choice.why)
    released = replace(released, sequence=release.sequence, canary=release.canary)
    night.write("releases", release_rows(night.spark, name, [*refused, *_canary_rows(night, release), released]))
    trials = [*release.reviews.challenger.challengers, *release.earlier.others]
    night.write("challengers", challenger_rows(night.spark, night.date, trials))


def _set_notes(night: Night, release: NightRelease) -> None:
    reviews, choice = release.reviews, release.choice
    challenger, canary, ranker = reviews.challenger.judged, reviews.canary.judged, reviews.ranker.judged
    night.note(
        version=release.version,
        action=choice.action,
        why=choice.why,
        verdict=reviews.challenger.why,
        outcome=challenger.outcome if challenger else "",
        challenger=challenger.trial if challenger else "",
        canary=release.canary.version if release.canary else "",
        canary_outcome=canary.outcome if canary else "",
        canary_verdict=canary_why(reviews.canary, release.canary_bundle),
        ranker_outcome=ranker.outcome if ranker else "",
        ranker_verdict=reviews.ranker.why,
    )


def _row(night: Night, release: NightRelease, bundle: AssembledBundle, version: str, action: str, why: str) -> Release:
    previous = release.champion.version
    return Release(version, action, night.date, why, _BY, previous, None, bundle.manifest.lineage)


def _canary_rows(night: Night, release: NightRelease) -> list[Release]:
    """The row of the canary, next to the row of the served version.

    No row if there is no canary, if it was promoted, or if nothing ended on this night.
    """
    review, canary, pointer = release.reviews.canary, release.canary_bundle, release.pointer
    if pointer.canary is None or canary is None or (review.judged and review.judged.outcome == PROMOTE):
        return []
    reason = canary_why(review, canary)
    if review.is_running:
        if canary.bundle is None:
            # An earlier attempt is final, so the trial goes on: nothing ended on this night.
            return []
        why = f"{REFRESH_WHY.replace('champion', 'canary')}; {reason}"
        row = _row(night, release, canary.bundle, canary.canary.version, REFRESHED, why)
        return [replace(row, previous=pointer.canary.version)]
    row = Release(pointer.canary.version, CANARY_ENDED, night.date, f"canary: {reason}", _BY, release.champion.version)
    return [row]


def _report(tracked: TrackedRun, release: NightRelease) -> None:
    choice, reviews, version = release.choice, release.reviews, release.version
    manifest = choice.bundle.manifest
    tracked.params({"version": version, "champion": manifest.lineage["champion"], "action": choice.action})
    tracked.tags({"why": choice.why, "ranker": reviews.ranker.why or "none"})
    report_challenger(tracked, reviews.challenger)
    report_ranker(tracked, reviews.ranker)
    report_canary(tracked, reviews.canary)
    tracked.artifact_bytes("manifest.json", choice.bundle.complete.to_bytes())
    refused = [{"version": bundle.version, "why": why} for bundle, why in choice.refused]
    tracked.artifact_json(
        "releases.json", {"version": version, "action": choice.action, "why": choice.why, "refused": refused}
    )
