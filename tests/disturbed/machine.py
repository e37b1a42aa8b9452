"""A home under every disturbance in any order, as a hypothesis state machine: see `test_disturbed_homes.py`."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.errors import ArtifactError, CommitError, LtrrError, PointerMovedError, UsageError
from ltrr.pipelines.jobs import JOBS, comes_before
from ltrr.pipelines.runner import run_job, run_nightly
from ltrr.pipelines.staleness import changed_jobs, stale_jobs
from ltrr.publishing.by_hand import begin_canary, end_canary, promote, roll_back
from ltrr.tables.catalog import table
from tests.disturbed.clean_home import clean_tables, differences
from tests.disturbed.ledger import Ledger
from tests.disturbed.memory_warehouse import REMOVED
from tests.disturbed.stand_ins import SPARK
from tests.disturbed.toy_home import DAY, FIRST, POLICIES, ToyHome

LAST_JOB = JOBS[-1]
AMOUNTS = st.integers(min_value=0, max_value=40)
PLACES = st.integers(min_value=0, max_value=30)
# While the last job of a night is at work.
AT_THE_END = st.one_of(PLACES, st.integers(min_value=17, max_value=28))
# What follows on mended logs: nothing, a rerun, or one that dies before its n-th write.
AFTERWARDS = st.sampled_from(("nothing", "rerun", 2, 3))
PEOPLE = st.sampled_from(("roll_back", "promote", "begin_canary", "end_canary"))


class DisturbedHome(RuleBasedStateMachine):
    """Steps of people, schedulers, clocks and accidents; the laws are checked after each."""

    current = None
    steps = 0
    refused = 0
    committed = 0
    killed = 0
    outcomes: ClassVar[Counter] = Counter()

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ltrr-toy-"))
        self.home = ToyHome(self.folder)
        type(self).current = self.home
        self.home.begin()
        self.ledgers = {policy: Ledger(policy) for policy in POLICIES}
        self.home.on_commit = self.on_commit
        self.changed = True
        self.failed = False
        self.removed = False

    def teardown(self):
        """Whatever happened, a repair makes the home a clean one."""
        try:
            if self.latest is not None and not self.failed:
                if not self.night(self.next_day, repair=True) and not self.removed:
                    # Jobs of one date ran for two policies: all of them are run for one.
                    assert all(map(self.night, self.days(self.next_day)))
                self.check_laws()
                if self.removed:
                    return
                assert self.wrong() == []
                for ledger in self.ledgers.values():
                    if ledger.policy == self.home.policy:
                        assert ledger.check_releases(self.home) == [], "a pointer has no row"
        finally:
            self.home.end()
            shutil.rmtree(self.folder)

    # What is there.

    @property
    def latest(self):
        """The newest date with a committed job; None where there is none."""
        return max((day for _, day in self.home.took), default=None)

    @property
    def next_day(self):
        """The first date whose night is not complete."""
        day = FIRST
        while all((job, day) in self.home.took for job in JOBS):
            day += DAY
        return day

    def past(self, back):
        """A date of the history, counted back from the newest."""
        days = (self.next_day - FIRST).days + 1
        return self.next_day - (back % days) * DAY

    # Steps.

    @rule(amount=AMOUNTS, late=AMOUNTS)
    def next_night(self, amount, late):
        self.arrive(amount, late)
        self.night(self.next_day)

    @rule(amount=AMOUNTS, late=AMOUNTS)
    def next_night_with_repair(self, amount, late):
        self.arrive(amount, late)
        self.night(self.next_day, repair=True)

    @rule(amount=AMOUNTS, late=AMOUNTS, place=PLACES, repair=st.booleans())
    def next_night_is_killed(self, amount, late, place, repair):
        self.arrive(amount, late)
        self.night(self.next_day, repair=repair, kill_at=place)

    @rule(amount=AMOUNTS, late=AMOUNTS, place=AT_THE_END, who=PEOPLE, kill=st.one_of(st.none(), PLACES))
    def a_person_acts_during_the_night(self, amount, late, place, who, kill):
        self.arrive(amount, late)
        kill_at = None if kill is None else place + kill
        self.night(self.next_day, kill_at=kill_at, person_at=(place, lambda: self.person(who, records=False)))

    @rule(back=PLACES)
    def rerun_of_a_past_night(self, back):
        self.night(self.past(back))

    @rule(back=PLACES, job=st.sampled_from(JOBS), place=st.one_of(st.none(), PLACES))
    def one_job(self, back, job, place):
        day = self.past(back)
        self.step(lambda: run_job(SPARK, self.home.settings, job, day), day, kill_at=place)

    @rule(back=PLACES, place=PLACES, who=PEOPLE)
    def a_person_acts_during_a_rerun_of_publish(self, back, place, who):
        day = self.past(back)
        act = lambda: run_job(SPARK, self.home.settings, LAST_JOB, day)  # noqa: E731
        self.step(act, day, person_at=(place % 8, lambda: self.person(who, records=False)))

    @rule(back=PLACES, amount=AMOUNTS, late=AMOUNTS, then=AFTERWARDS)
    def mended_logs(self, back, amount, late, then):
        day = self.past(back)
        self.home.logs[day] = ((day, amount), (day - DAY, late))
        self.ingest(day, then)

    @rule(back=PLACES, amount=st.sampled_from((0, 5, 7)), then=AFTERWARDS)
    def late_lines(self, back, amount, then):
        """One more line, which may add nothing to any sum."""
        day = self.past(back)
        self.home.logs[day] = (*self.home.logs.get(day, ()), (day - DAY, amount))
        self.ingest(day, then)

    @rule(days=st.sampled_from((7, 14, 30, 7, 14, 400)))
    def an_idle_time(self, days):
        """A home may rest for any time."""
        self.home.warehouse.rest(days)
        self.count()

    @rule()
    def a_vacuum(self):
        """Versions that were replaced longer ago than was promised are gone, and nights of that time with them."""
        self.removed |= self.home.warehouse.vacuum()
        self.count()

    @rule(who=PEOPLE, records=st.booleans())
    def a_person(self, who, records):
        self.person(who, records)
        self.count()

    @rule(late_days=st.sampled_from((7, 8)), least=st.sampled_from((20.0, 500.0)))
    def changed_settings(self, late_days, least):
        self.home.late_days, self.home.least = late_days, least
        self.count()

    @rule(policy=st.sampled_from(POLICIES))
    def another_policy(self, policy):
        self.home.policy = policy
        self.count()

    @precondition(lambda self: self.latest is not None)
    @rule()
    def everything_again(self):
        """A rerun of the newest night on the same logs and settings changes nothing that anyone reads."""
        day = self.next_day - DAY
        if day < FIRST or not self.is_current(day):
            return
        before = {job: self.home.log.run(job, day).outputs for job in JOBS}
        if self.night(day):
            after = {job: self.home.log.run(job, day).outputs for job in JOBS}
            for job in JOBS[:6]:
                assert after[job] == before[job], f"the same again made another {job}"

    # How a step is done.

    def count(self):
        type(self).steps += 1
        self.changed = True

    def ingest(self, day, then):
        """What follows on mended logs."""
        if then == "nothing":
            self.count()
        else:
            kill_at = None if then == "rerun" else then
            self.step(lambda: run_job(SPARK, self.home.settings, JOBS[0], day), day, kill_at=kill_at)

    def arrive(self, amount, late):
        """The logs of the next date, unless they are there."""
        day = self.next_day
        self.home.logs.setdefault(day, ((day, amount), (day - DAY, late)))

    def night(self, day, repair=False, **disturbed):
        return self.step(lambda: run_nightly(SPARK, self.home.settings, day, repair=repair), day, repair, **disturbed)

    def step(self, act, day, repair=False, **disturbed):
        """Run jobs; True where they were committed."""
        self.count()
        self.failed = True
        wrong = [] if repair else [(job, date) for job, date in self.wrong() if date < day]
        try:
            done = self.home.run(act, **disturbed)
        except LtrrError as refusal:
            self.check_refusal(refusal, day, repair, disturbed)
            type(self).refused += 1
            self.failed = False
            return False
        type(self).committed += done
        type(self).killed += not done
        assert repair or not done or not wrong, f"{day} was built on what is wrong: {wrong}"
        self.failed = False
        return done

    def check_refusal(self, refusal, day, repair, disturbed):
        """A refusal has its reason."""
        if isinstance(refusal, CommitError):
            assert not repair or "has not been committed" in str(refusal) or "one before it" in str(refusal), refusal
            assert self.is_refusal_due(day), f"refused without a reason: {refusal}"
        elif isinstance(refusal, PointerMovedError):
            assert disturbed.get("person_at"), "nobody else has moved the pointer"
        elif REMOVED in str(refusal):
            assert self.removed, "nothing was removed"
            assert day < self.next_day or repair or self.is_refusal_due(day), "a new night needs no removed version"
        else:
            # Files of the earlier jobs of a night lie in the folder of the policy that they ran
            # for. A rerun of some of the jobs for another policy is refused: all jobs of the night
            # are to be run for it.
            policies = {took.policy for (_, date), took in self.home.took.items() if date <= day}
            assert "a payload is missing" in str(refusal), refusal
            assert policies | {self.home.policy} == set(POLICIES), refusal

    def is_refusal_due(self, day):
        """Whether a date up to this one is incomplete or stale."""
        commits = self.home.log
        dates = [FIRST + number * DAY for number in range((day - FIRST).days + 1)]
        return any(
            stale_jobs(commits, FIRST, one) or any(commits.run(job, one) is None for job in JOBS) for one in dates
        )

    def is_current(self, day):
        """Whether the newest night took what it would take now, and nothing is stale."""
        took = [self.home.took[job, day] for job in JOBS]
        same = all((one.late_days, one.policy) == (self.home.late_days, self.home.policy) for one in took)
        digest = self.home.settings.digest()
        runs = [self.home.log.run(job, day) for job in JOBS]
        return (
            same
            and took[0].lines == self.home.logs.get(day, ())
            and all(run.config_digest == digest for run in runs)
            and not any(changed_jobs(self.home.log, FIRST, one) for one in self.days(day))
        )

    def days(self, last):
        return [FIRST + number * DAY for number in range((last - FIRST).days + 1)]

    def person(self, who, records):
        """What a person may do at any time; what is refused by name has happened as well."""
        home, name = self.home, self.home.policy
        store = open_policy(home.root, name)
        said = {"why": "a person", "by_whom": "ada"}
        try:
            if who == "roll_back":
                release = roll_back(home.root, name, **said)
            elif who == "end_canary":
                release = end_canary(home.root, name, **said)
            else:
                versions = [one for one in store.names() if one.startswith("2026")]
                version = versions[home.ticks % len(versions)]
                if who == "promote":
                    release = promote(home.root, name, version, **said)
                else:
                    release = begin_canary(home.root, name, version, 0.2, **said)
        except (UsageError, ArtifactError):
            # There is nothing to go back to, or a publisher died before the manifest of this
            # version.
            return
        if release is not None:
            assert current_pointer(store).version == release.version
            assert current_pointer(store).by.person == "ada"
        if records:
            home.record(release)

    def on_commit(self, run, followed):
        """Told of each committed run."""
        if run.job == LAST_JOB:
            page = self.ledgers[self.home.policy].commit(self.home, run, followed)
            self.outcomes.update(f"{one.kind} {one.outcome}" for one in page if one.ended == run.run_date)

    # Laws.

    @invariant()
    def check_laws(self):
        """Never silently wrong: what is not stale equals a clean home; pointers and alpha keep their rules."""
        if not self.changed:
            return
        self.changed, self.failed = False, True
        silent = self.wrong(only_untainted=True)
        assert silent == [], f"wrong, and nobody is told: {silent}"
        for ledger in self.ledgers.values():
            ledger.check_pointers(self.home)
            ledger.check_releases(self.home)
        self.failed = False

    def wrong(self, only_untainted=False):
        """Committed jobs whose tables are not those of a clean home."""
        commits, found = self.home.log, []
        clean = clean_tables(self.home.took, FIRST)
        if self.latest is None:
            return []
        commits.load(FIRST - DAY)
        for day in self.days(self.latest):
            tainted = stale_jobs(commits, FIRST, day) if only_untainted else {}
            for job in JOBS[:4]:
                run = commits.run(job, day)
                if run is None or any(one == job or comes_before(one, job) for one in tainted):
                    continue
                if (job, day) not in clean or self.differ(run, clean[job, day]):
                    found.append((job, day))
            if only_untainted and tainted:
                break
        return found

    def differ(self, run, clean):
        told = []
        for name in clean:
            output = run.output(name)
            try:
                rows = self.home.warehouse.read(table(name), output.version, run.run_date) if output else []
            except LtrrError as gone:
                if REMOVED in str(gone):
                    # Versions that nothing promises any more are not compared.
                    continue
                raise
            told += differences(name, rows, clean)
        return told
