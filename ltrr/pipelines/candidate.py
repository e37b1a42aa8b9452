"""The result of the night's training: the bandit that may become the next challenger."""

from __future__ import annotations

from ltrr.artifacts.bundle import BANDIT
from ltrr.artifacts.learned_values import StoredValues
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import BanditNotes
from ltrr.publishing.challengers import Candidate
from ltrr.publishing.trials import FrozenBandit


def candidate_of(night: Night) -> Candidate | None:
    """The night's bandit and values with the configured exploration; None if nothing was trained.

    Files and values come from the notes of `train_bandit`. The training data are closed dates, so
    they end with the newest closed date.
    """
    trained = night.notes_of(BanditNotes)
    sha256 = trained.bandit_sha256
    if not sha256:
        return None
    policy, values = night.settings.policy, StoredValues.of_note(trained.values or "")
    files = {BANDIT: sha256, **(values.files if values else {})}
    bandit = FrozenBandit(policy.name, files, values.learned if values else None, policy.exploration)
    return Candidate(bandit, night.closed_dates()[-1], trained.mlflow_run_id or "")
