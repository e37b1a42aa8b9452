"""Steps on a home with all eight real jobs: one job, or one disturbance, a step; what is done is kept in a file.

The list of steps is drawn from a seed as it goes, from what the home is at that moment, so an
interrupted run goes on with the step that it was interrupted in: that step is one more job that
died.
"""

import gzip
import json
import os
import random
import shutil
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.config import load_settings
from ltrr.errors import LtrrError, UsageError
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import run_job
from ltrr.pipelines.staleness import stale_jobs
from ltrr.publishing.by_hand import begin_canary, end_canary, promote, roll_back
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse
from tests.disturbed.memory_warehouse import Killed
from tests.disturbed.small_home import FIRST, begin_home, day_of, policy_changes

NIGHTS = 12
PEOPLE = ("roll_back", "promote", "begin_canary", "end_canary")
# A disturbance in three steps; the others bring the home forward by one job.
DISTURBANCES = (
    *("rerun", "rerun", "mend", "mend", "late", "kill", "kill", "kill"),
    *("rest", "person", "person", "change settings", "mend and kill"),
)
# Of what serves: it depends on what people did and when, and no clean home has the same people.
DECIDED = ("job_runs", "ope_estimates", "challengers", "releases")


def policy_of(number: int) -> str:
    """Name of the policy of a date: for two nights in the middle another one is tried."""
    return "second" if 2 <= number <= 3 else ""


def write_lines(file: Path, lines) -> None:
    """A file of a day's logs."""
    file.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


class RealHome:
    """A home of real jobs and its diary.

    Attributes:
        folder: of the home, its diary and the clean home.
        told: the diary: number of steps done, what each was, and what each committed run took.
    """

    def __init__(self, spark, folder: Path, seed: int):
        self.spark, self.folder, self.home, self.seed = spark, folder, folder / "home", seed
        self.diary = folder / "diary.json"
        if not self.diary.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            begin_home(self.home, NIGHTS, policy_of)
            self.told = {"steps": [], "took": {}, "changes": [], "unread": [], "seconds": 0.0}
            self.save()
        self.told = json.loads(self.diary.read_text())

    def save(self):
        half = self.diary.with_suffix(".half")
        half.write_text(json.dumps(self.told, indent=1))
        half.rename(self.diary)

    @property
    def settings(self):
        return self.settings_of(FIRST)

    def settings_of(self, day):
        """Settings of a night now: those of the home and the policy of its date."""
        return load_settings(self.home, None, self.changes_of(day))

    def changes_of(self, day):
        return [*self.told["changes"], *policy_changes(policy_of((day - FIRST).days))]

    @property
    def log(self):
        return CommitLog(Warehouse(self.spark, self.settings.paths.tables))

    def step(self):
        """One step; what happened, in one line."""
        number, started = len(self.told["steps"]), time.monotonic()
        draws = random.Random(self.seed * 100_003 + number)
        is_calm = draws.random() < 0.6 or self.next_run() is None or self.next_run()[0] == FIRST
        what = "job" if is_calm else draws.choice(DISTURBANCES)
        try:
            happened = getattr(self, what.replace(" ", "_"))(draws)
        except LtrrError as refusal:
            # A refusal by name is an outcome; what it must not be, the laws at the end say.
            happened = f"refused: {refusal}"
        self.told["steps"].append(f"{what}: {happened}")
        self.told["seconds"] += time.monotonic() - started
        self.save()

    # What a step is.

    def job(self, draws):
        """The first job in the order of dates that is stale or missing, or whose logs were mended."""
        found = self.next_run()
        return self.run(*found) if found else "nothing to do"

    def rerun(self, draws):
        day, job = self.past(draws), draws.choice(JOBS)
        return self.run(day, job)

    def mend(self, draws):
        """Some events of a past date are gone, and its logs are taken in again."""
        day = self.past(draws)
        gone = self.thin(day, draws)
        return f"{gone} lines of {day} are gone; {self.run(day, JOBS[0])}"

    def mend_and_kill(self, draws):
        day = self.past(draws)
        gone = self.thin(day, draws)
        with self.dies_at(draws.randint(2, 8)):
            return f"{gone} lines of {day} are gone; {self.run(day, JOBS[0])}"

    def late(self, draws):
        """Half of the events of the newest date arrive a day later."""
        day = self.next_run()[0]
        if any(job == JOBS[0] for job in self.committed(day)):
            return "too late to be late"
        events, lines = self.events_of(day)
        late = lines[::2]
        write_lines(events, lines[1::2])
        after = self.folder_of(day_of((day - FIRST).days + 1))
        after.mkdir(exist_ok=True)
        write_lines(after / f"events-late-{day}.ndjson.gz", late)
        return f"{len(late)} events of {day}"

    def kill(self, draws):
        """The next job dies before one of its writes."""
        day, job = self.next_run()
        with self.dies_at(draws.randint(1, 8)):
            return self.run(day, job)

    def rest(self, draws):
        """A week in which nothing touches the tables: Delta reads ages off the files of its log."""
        for file in Path(self.settings.paths.tables).glob("*/_delta_log/*"):
            if file.is_file():
                then = file.stat().st_mtime - 7 * 86_400
                os.utime(file, (then, then))
        self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        return "a week"

    def person(self, draws):
        settings, who = self.settings_of(draws.choice(self.days())), draws.choice(PEOPLE)
        root, name, said = settings.paths.policies, settings.policy.name, {"why": "a person", "by_whom": "ada"}
        versions = [one for one in open_policy(root, name).names() if one.startswith("2026")]
        version = draws.choice(versions)
        try:
            if who == "roll_back":
                roll_back(root, name, **said)
            elif who == "end_canary":
                end_canary(root, name, **said)
            elif who == "promote":
                promote(root, name, version, **said)
            else:
                begin_canary(root, name, version, 0.2, **said)
        except UsageError as refusal:
            return f"{who}: {refusal}"
        return f"{who}: {current_pointer(open_policy(root, name)).version} serves"

    def change_settings(self, draws):
        self.told["changes"] = draws.choice(([], ["memory.half_life_days=7"], ["clicks.window_days=3"]))
        return str(self.told["changes"])

    # How it is done.

    def run(self, day, job):
        """Run one job; what it took is remembered where it was committed."""
        try:
            run = run_job(self.spark, self.settings_of(day), job, day)
        except Killed as killed:
            return f"{job} of {day} died before {killed}"
        self.told["took"][f"{job} {day}"] = self.changes_of(day)
        if job == JOBS[0]:
            self.told["unread"] = [one for one in self.told["unread"] if one != str(day)]
        return f"{job} of {day}, attempt {run.attempt}"

    @contextmanager
    def dies_at(self, number):
        """The process dies before the n-th write of a table."""
        save, written = Warehouse._save, []

        def counted(warehouse, table, *rest, **more):
            written.append(table.name)
            if len(written) >= number:
                raise Killed(table.name)
            return save(warehouse, table, *rest, **more)

        Warehouse._save = counted
        try:
            yield
        finally:
            Warehouse._save = save
            self.spark.catalog.clearCache()

    def folder_of(self, day):
        return Path(self.settings.paths.logs) / f"dt={day}"

    def events_of(self, day):
        """The file of a date's own events, and its lines."""
        file = next(self.folder_of(day).glob("events-[0-9]*.ndjson.gz"))
        return file, gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)

    def thin(self, day, draws):
        """Take a tenth of the events of a date away; the number of lines."""
        file, lines = self.events_of(day)
        kept = [line for line in lines if draws.random() > 0.1]
        # Known before it is done: who is interrupted between the two takes the logs in once more.
        self.told["unread"].append(str(day))
        self.save()
        write_lines(file, kept)
        return len(lines) - len(kept)

    def committed(self, day):
        log = self.log
        return [job for job in JOBS if log.run(job, day) is not None]

    def days(self):
        """Dates with a committed job."""
        return sorted({date.fromisoformat(one.split()[1]) for one in self.told["took"]})

    def past(self, draws):
        return draws.choice(self.days())

    def next_run(self):
        """(date, job) that brings the home forward; None where all nights are done."""
        log = self.log
        for number in range(NIGHTS):
            day = day_of(number)
            stale = stale_jobs(log, FIRST, day)
            for job in JOBS:
                if job in stale or log.run(job, day) is None or (job == JOBS[0] and str(day) in self.told["unread"]):
                    return day, job
        return None

    def settle(self):
        """Jobs until nothing that was begun is stale or half done; the number of jobs."""
        done = 0
        while (found := self.next_run()) and self.committed(found[0]):
            self.run(*found)
            done += 1
        return done

    def clean_home(self):
        """A new home that is fed the final logs in order, every job with the settings of the run that counts."""
        clean = self.folder / "clean"
        shutil.rmtree(clean, ignore_errors=True)
        begin_home(clean, NIGHTS, policy_of)
        logs = load_settings(clean).paths.logs
        shutil.rmtree(logs)
        shutil.copytree(self.settings.paths.logs, logs)
        for day in self.days():
            for job in JOBS:
                run_job(self.spark, load_settings(clean, None, self.told["took"][f"{job} {day}"]), job, day)
        return clean
