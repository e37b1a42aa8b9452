"""A home under disturbances in any order, as a hypothesis state machine.

`test_disturbed_homes.py` runs it.
"""

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
# Numbers of writes; more of them are writes of the last job of a night.
AT_THE_END = st.one_of(PLACES, st.integers(min_value=17, max_value=28))
# Step after changed logs: nothing, a rerun, or a rerun that dies before its n-th write.
AFTERWARDS = st.sampled_from(("nothing", "rerun", 2, 3))
PEOPLE = st.sampled_from(("roll_back", "promote", "begin_canary", "end_canary"))


class DisturbedHome(RuleBasedStateMachine):
    """Steps of people, schedulers, clocks and failures; the laws are checked after each step."""

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
        """Check that a repair makes the home a clean one."""
        try:
            if self.latest is not None and not self.failed:
                if not self.night(self.next_day, repair=True) and not self.removed:
                    # The jobs of one date ran for two policies. All jobs are run for one policy.
                    assert all(map(self.night, self.days(self.next_day)))
                self.check_laws()
                if self.removed:
                    return
                assert self.wrong_jobs() == []
                for ledger in self.ledgers.values():
                    if ledger.policy == self.home.policy:
                        assert ledger.check_releases(self.home) == [], "a pointer has no row"
        finally:
            self.home.end()
            shutil.rmtree(self.folder)

    # State.

    @property
    def latest(self):
        """Newest date with a committed job; None without one."""
        return max((day for _, day in self.home.inputs), default=None)

    @property
    def next_day(self):
        """First date whose night is not complete."""
        day = FIRST
        while all((job, day) in self.home.inputs for job in JOBS):
            day += DAY
        return day

    def past(self, back):
        """Date of the history, counted back from the newest."""
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
        """Add one line to the logs; its amount may be zero."""
        day = self.past(back)
        self.home.logs[day] = (*self.home.logs.get(day, ()), (day - DAY, amount))
        self.ingest(day, then)

    @rule(days=st.sampled_from((7, 14, 30, 7, 14, 400)))
    def an_idle_time(self, days):
        """Let some days pass without a change."""
        self.home.warehouse.rest(days)
        self.count()

    @rule()
    def a_vacuum(self):
        """Remove the versions that were replaced before the promised retention time."""
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
        """Rerun the newest night on the same logs and settings; its outputs stay the same."""
        day = self.next_day - DAY
        if day < FIRST or not self.is_current(day):
            return
        before = {job: self.home.log.run(job, day).outputs for job in JOBS}
        if self.night(day):
            after = {job: self.home.log.run(job, day).outputs for job in JOBS}
            for job in JOBS[:6]:
                assert after[job] == before[job], f"a rerun on the same inputs changed the outputs of {job}"

    # Execution of a step.

    def count(self):
        type(self).steps += 1
        self.changed = True

    def ingest(self, day, then):
        """Do the step after changed logs."""
        if then == "nothing":
            self.count()
        else:
            kill_at = None if then == "rerun" else then
            self.step(lambda: run_job(SPARK, self.home.settings, JOBS[0], day), day, kill_at=kill_at)

    def arrive(self, amount, late):
        """Write the logs of the next date, unless they exist."""
        day = self.next_day
        self.home.logs.setdefault(day, ((day, amount), (day - DAY, late)))

    def night(self, day, repair=False, **disturbed):
        return self.step(lambda: run_nightly(SPARK, self.home.settings, day, repair=repair), day, repair, **disturbed)

    def step(self, act, day, repair=False, **disturbed):
        """Run jobs; return whether they were committed."""
        self.count()
        self.failed = True
        wrong_jobs = [] if repair else [(job, date) for job, date in self.wrong_jobs() if date < day]
        try:
            done = self.home.run(act, **disturbed)
        except LtrrError as refusal:
            self.check_refusal(refusal, day, repair, disturbed)
            type(self).refused += 1
            self.failed = False
            return False
        type(self).committed += done
        type(self).killed += not done
        assert repair or not done or not wrong_jobs, f"{day} was built on wrong tables: {wrong_jobs}"
        self.failed = False
        return done

    def check_refusal(self, refusal, day, repair, disturbed):
        """Check that there is a reason for a refusal."""
        if isinstance(refusal, CommitError):
            assert not repair or "has not been committed" in str(refusal) or "one before it" in str(refusal), refusal
            assert self.is_refusal_due(day), f"refused without a reason: {refusal}"
        elif isinstance(refusal, PointerMovedError):
            assert disturbed.get("person_at"), "no person has moved the pointer"
        elif REMOVED in str(refusal):
            assert self.removed, "nothing was removed"
            assert day < self.next_day or repair or self.is_refusal_due(day), "a new night needs no removed version"
        else:
            # The files of the earlier jobs of a night are in the folder of the policy for which
            # they ran. A rerun of some jobs for another policy is refused, because all jobs of the
            # night must run for it.
            policies = {inputs.policy for (_, date), inputs in self.home.inputs.items() if date <= day}
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
        """Whether the newest night had the inputs that it would have now, and nothing is stale."""
        inputs = [self.home.inputs[job, day] for job in JOBS]
        same = all((one.late_days, one.policy) == (self.home.late_days, self.home.policy) for one in inputs)
        digest = self.home.settings.digest()
        runs = [self.home.log.run(job, day) for job in JOBS]
        return (
            same
            and inputs[0].lines == self.home.logs.get(day, ())
            and all(run.config_digest == digest for run in runs)
            and not any(changed_jobs(self.home.log, FIRST, one) for one in self.days(day))
        )

    def days(self, last):
        return [FIRST + number * DAY for number in range((last - FIRST).days + 1)]

    def person(self, who, records):
        """An action that a person may do at any time; a refusal is a valid outcome."""
        home, name = self.home, self.home.policy
        store = open_policy(home.root, name)
        reason = {"why": "a person", "by_whom": "ada"}
        try:
            if who == "roll_back":
                release = roll_back(home.root, name, **reason)
            elif who == "end_canary":
                release = end_canary(home.root, name, **reason)
            else:
                versions = [one for one in store.names() if one.startswith("2026")]
                version = versions[home.ticks % len(versions)]
                if who == "promote":
                    release = promote(home.root, name, version, **reason)
                else:
                    release = begin_canary(home.root, name, version, 0.2, **reason)
        except (UsageError, ArtifactError):
            # There is no earlier release, or a publisher died before it wrote the manifest.
            return
        if release is not None:
            assert current_pointer(store).version == release.version
            assert current_pointer(store).by.person == "ada"
        if records:
            home.record(release)

    def on_commit(self, run, followed):
        """Check each committed run of the last job."""
        if run.job == LAST_JOB:
            page = self.ledgers[self.home.policy].commit(self.home, run, followed)
            self.outcomes.update(f"{one.kind} {one.outcome}" for one in page if one.ended == run.run_date)

    # Laws.

    @invariant()
    def check_laws(self):
        """Check the laws of a home.

        Tables that are not stale equal those of a clean home. Pointers and alpha follow their
        rules.
        """
        if not self.changed:
            return
        self.changed, self.failed = False, True
        unreported = self.wrong_jobs(only_untainted=True)
        assert unreported == [], f"tables are wrong and not reported as stale: {unreported}"
        for ledger in self.ledgers.values():
            ledger.check_pointers(self.home)
            ledger.check_releases(self.home)
        self.failed = False

    def wrong_jobs(self, only_untainted=False):
        """Committed jobs whose tables differ from those of a clean home."""
        commits, found = self.home.log, []
        clean = clean_tables(self.home.inputs, FIRST)
        if self.latest is None:
            return []
        commits.load(FIRST - DAY)
        for day in self.days(self.latest):
            stale = stale_jobs(commits, FIRST, day) if only_untainted else {}
            for job in JOBS[:4]:
                run = commits.run(job, day)
                if run is None or any(one == job or comes_before(one, job) for one in stale):
                    continue
                if (job, day) not in clean or self.differences_of(run, clean[job, day]):
                    found.append((job, day))
            if only_untainted and stale:
                break
        return found

    def differences_of(self, run, clean):
        found = []
        for name in clean:
            output = run.output(name)
            try:
                rows = self.home.warehouse.read(table(name), output.version, run.run_date) if output else []
            except LtrrError as gone:
                if REMOVED in str(gone):
                    # Versions beyond the promised retention time are not compared.
                    continue
                raise
            found += differences(name, rows, clean)
        return found
