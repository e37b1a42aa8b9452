"""Checks of the rules of the pointer and of alpha against all commits of a home."""

from dataclasses import dataclass, field
from datetime import date

from ltrr.artifacts.bundle import read_manifest
from ltrr.artifacts.pointer import Pointer, open_policy, pointers
from ltrr.artifacts.pointer_file import NIGHT
from ltrr.publishing.by_hand import _models
from ltrr.publishing.release import PROMOTED, REFRESHED
from ltrr.tables.catalog import table
from tests.disturbed.stand_ins import read_challengers

ALPHA_SLACK = 1e-9


@dataclass
class Ledger:
    """Record of the pointers and trials of one policy.

    Attributes:
        policy: Name of the policy.
        pointers: Pointers in the order of their sequences.
        alphas: Trial -> alpha, for every trial of all attempts of all nights.
        begun: Trial -> date on which it began.
        pages: Date -> trial -> (outcome, ended), from the newest attempt.
    """

    policy: str
    pointers: list[Pointer] = field(default_factory=list)
    alphas: dict[str, float] = field(default_factory=dict)
    begun: dict[str, date] = field(default_factory=dict)
    pages: dict[date, dict[str, tuple]] = field(default_factory=dict)

    def check_pointers(self, home):
        """Check that pointers are created in order and that no night reverts a later decision."""
        store = open_policy(home.root, self.policy)
        assert store.names("current") == [f"{number + 1:08d}.json" for number in range(len(store.names("current")))]
        if len(store.names("current")) == len(self.pointers):
            return
        found = pointers(home.root, self.policy)
        assert found[: len(self.pointers)] == self.pointers, "a pointer was changed"
        for place in range(len(self.pointers), len(found)):
            if found[place].by.kind == NIGHT:
                self._check_move(home, found[:place], found[place])
        self.pointers = found

    def _check_move(self, home, earlier, moved):
        day = moved.by.run_date
        assert moved.version.startswith(str(day))
        first = next((place for place, one in enumerate(earlier) if one.by.run_date == day), len(earlier))
        others = [one for one in earlier[first:] if one.by.run_date != day]
        assert not others, f"the night of {day} reverted {others}"
        later = [one for one in earlier if one.by.run_date is not None and one.by.run_date > day]
        assert not later, f"the night of {day} reverted {later}"
        champion = earlier[first - 1]
        models = {
            version: _models(read_manifest(home.root, self.policy, version))
            for version in (moved.version, champion.version)
        }
        ours, theirs = models[moved.version], models[champion.version]
        if moved.by.action == REFRESHED:
            assert ours == theirs, "a refresh changed the models"
        else:
            assert moved.by.action == PROMOTED
            assert ours != theirs
        if moved.canary is not None:
            assert champion.canary is not None, "a night began a canary"
            assert moved.canary.begun == champion.canary.begun

    def commit(self, home, run, followed):
        """Check a committed night: it loses no trial and no alpha, and final outcomes stay.

        Args:
            home: Home that committed the night.
            run: Committed run of `publish_policy`.
            followed: Whether a later night was committed before.

        Returns:
            Trials on the page of the night.
        """
        output = run.output("challengers")
        rows = home.warehouse.read(table("challengers"), output.version, run.run_date)
        page = {one.trial: one for one in read_challengers(rows, run.run_date) if one.bandit.policy == self.policy}
        if not page:
            # The trial log continues with the newest page of this policy that has a trial.
            assert not self.pages.get(run.run_date), f"the page of {run.run_date} was emptied"
            return []
        gate = home.settings.gate
        for trial, one in page.items():
            self.begun.setdefault(trial, one.begun)
            assert self.alphas.setdefault(trial, one.alpha) == one.alpha, f"{trial} has another alpha"
        outcomes = {trial: (one.outcome, one.ended) for trial, one in page.items()}
        before = self.pages.get(run.run_date)
        if followed and before is not None:
            assert outcomes == before, f"the page of {run.run_date} was rewritten: {before} -> {outcomes}"
        self.pages[run.run_date] = outcomes
        # A trial that was withdrawn before its first look cannot have promoted anything, so its
        # alpha is not counted. It stays reserved: after a rerun that reverts a promotion, the
        # reserved alpha can exceed the budget, because the next trial has already begun.
        held = sum(
            one.alpha
            for one in page.values()
            if (one.outcome != "withdrawn" or one.looks)
            and one.outcome != "promote"
            and (one.ended is None or (run.run_date - one.ended).days < gate.budget_nights)
        )
        assert held <= gate.alpha * (1 + ALPHA_SLACK), f"{held} of {gate.alpha} is held on {run.run_date}"
        for trial, alpha in self.alphas.items():
            if alpha and self.begun[trial] <= run.run_date and trial not in page:
                self._check_free(trial, run.run_date, gate.budget_nights)
        for trial, one in page.items():
            if one.outcome == "promote" and one.ended == run.run_date:
                moved = [one for one in pointers(home.root, self.policy) if one.by.run_date == run.run_date]
                assert any(one.by.action == PROMOTED for one in moved), f"{trial} is promoted and serves nowhere"
        return list(page.values())

    def _check_free(self, trial, day, nights):
        """Check a trial that is missing on the page of a night.

        It was promoted, or it ended or was last recorded more than `nights` ago.
        """
        ends = [(date, state[trial]) for date, state in sorted(self.pages.items()) if date < day and trial in state]
        assert ends, f"{trial} has returned its alpha: no night has recorded it"
        date, (outcome, ended) = ends[-1]
        is_free = (day - ended).days >= nights if ended is not None else (day - date).days > nights
        assert outcome == "promote" or is_free, f"{trial} ({outcome}, {ended}) has returned its alpha on {day}"

    def check_releases(self, home):
        """Check that a pointer has at most one row in `releases`, with its version.

        Returns:
            Sequences of pointers without a row.
        """
        rows = [row for row in home.warehouse.read(table("releases")) if row["policy"] == self.policy]
        recorded = [(row["sequence"], row["policy_version"]) for row in rows if row["sequence"] is not None]
        assert len({sequence for sequence, _ in recorded}) == len(recorded), "two rows of one pointer"
        named = {one.sequence: one.version for one in self.pointers}
        assert all(named[sequence] == version for sequence, version in recorded), "a row names another version"
        return sorted(named.keys() - {sequence for sequence, _ in recorded})
