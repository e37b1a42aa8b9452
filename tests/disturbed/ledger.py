"""The rules of the pointer and of alpha, held against everything that a home has ever committed."""

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
    """What was seen of one policy.

    Attributes:
        pointers: in the order of their sequences.
        alphas: trial -> alpha, of every trial that any attempt of any night has committed.
        pages: date -> trial -> (outcome, ended), as the newest attempt committed it.
        followed: dates of which a later night has been committed.
    """

    policy: str
    pointers: list[Pointer] = field(default_factory=list)
    alphas: dict[str, float] = field(default_factory=dict)
    begun: dict[str, date] = field(default_factory=dict)
    pages: dict[date, dict[str, tuple]] = field(default_factory=dict)

    def check_pointers(self, home):
        """Pointers are created once, one after the other, and no night takes back what others decided after it."""
        store = open_policy(home.root, self.policy)
        assert store.names("current") == [f"{number + 1:08d}.json" for number in range(len(store.names("current")))]
        if len(store.names("current")) == len(self.pointers):
            return
        found = pointers(home.root, self.policy)
        assert found[: len(self.pointers)] == self.pointers, "a pointer was altered"
        for place in range(len(self.pointers), len(found)):
            if found[place].by.kind == NIGHT:
                self._check_move(home, found[:place], found[place])
        self.pointers = found

    def _check_move(self, home, earlier, moved):
        day = moved.by.run_date
        assert moved.version.startswith(str(day))
        first = next((place for place, one in enumerate(earlier) if one.by.run_date == day), len(earlier))
        others = [one for one in earlier[first:] if one.by.run_date != day]
        assert not others, f"the night of {day} took back {others}"
        later = [one for one in earlier if one.by.run_date is not None and one.by.run_date > day]
        assert not later, f"the night of {day} took back {later}"
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
        """A night of this policy was committed: no trial and no alpha is lost, final outcomes stay; its trials."""
        output = run.output("challengers")
        rows = home.warehouse.read(table("challengers"), output.version, run.run_date)
        page = {one.trial: one for one in read_challengers(rows, run.run_date) if one.bandit.policy == self.policy}
        if not page:
            # The book goes on with the newest page of this policy that has a trial.
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
        # A trial that was withdrawn before its first look cannot have promoted anything. Its alpha
        # is held all the same: more than all is held where a rerun takes back a promotion after the
        # next trial had begun.
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
        """A trial is gone from tonight's page only where it was promoted, or ended or was left long enough ago."""
        ends = [(date, state[trial]) for date, state in sorted(self.pages.items()) if date < day and trial in state]
        assert ends, f"{trial} has returned its alpha: no night knows it"
        date, (outcome, ended) = ends[-1]
        is_free = (day - ended).days >= nights if ended is not None else (day - date).days > nights
        assert outcome == "promote" or is_free, f"{trial} ({outcome}, {ended}) has returned its alpha on {day}"

    def check_releases(self, home):
        """Every pointer has one row in `releases`, and it names its version."""
        rows = [row for row in home.warehouse.read(table("releases")) if row["policy"] == self.policy]
        told = [(row["sequence"], row["policy_version"]) for row in rows if row["sequence"] is not None]
        assert len({sequence for sequence, _ in told}) == len(told), "two rows of one pointer"
        named = {one.sequence: one.version for one in self.pointers}
        assert all(named[sequence] == version for sequence, version in told), "a row names another version"
        return sorted(named.keys() - {sequence for sequence, _ in told})
