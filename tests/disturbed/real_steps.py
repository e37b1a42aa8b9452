"""Steps on a home with all eight real jobs: each step is one job or one disturbance.

Each step is drawn from a seed and the state of the home, and recorded in a diary file. An
interrupted run continues with the step in which it was interrupted, like after a job that died.
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
from tests.disturbed.memory_warehouse import ProcessDeath
from tests.disturbed.small_home import FIRST, begin_home, day_of, policy_changes

NIGHTS = 12
PEOPLE = ("roll_back", "promote", "begin_canary", "end_canary")
# Two fifths of the steps are disturbances; the others run the next job.
DISTURBANCES = (
    *("rerun", "rerun", "mend", "mend", "late", "kill", "kill", "kill"),
    *("rest", "person", "person", "change settings", "mend and kill"),
)
# Tables that depend on what people did and when; a clean home cannot repeat that.
DECIDED = ("job_runs", "ope_estimates", "challengers", "releases")


def policy_of(number: int) -> str:
    """Name of the policy of a night; two nights in the middle have another policy."""
    return "second" if 2 <= number <= 3 else ""


def write_lines(file: Path, lines) -> None:
    """Write a file of the logs of a day."""
    file.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


class RealHome:
    """A home of real jobs and its diary.

    Attributes:
        folder: Folder of the home, its diary and the clean home.
        diary: Steps done, settings of each committed run, and state of the home.
    """

    def __init__(self, spark, folder: Path, seed: int):
        self.spark, self.folder, self.home, self.seed = spark, folder, folder / "home", seed
        self.diary_file = folder / "diary.json"
        if not self.diary_file.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            begin_home(self.home, NIGHTS, policy_of)
            self.diary = {"steps": [], "took": {}, "changes": [], "unread": [], "seconds": 0.0}
            self.save()
        self.diary = json.loads(self.diary_file.read_text())

    def save(self):
        half = self.diary_file.with_suffix(".half")
        half.write_text(json.dumps(self.diary, indent=1))
        half.rename(self.diary_file)

    @property
    def settings(self):
        return self.settings_of(FIRST)

    def settings_of(self, day):
        """Current settings of a night: those of the home and the policy of its date."""
        return load_settings(self.home, None, self.changes_of(day))

    def changes_of(self, day):
        return [*self.diary["changes"], *policy_changes(policy_of((day - FIRST).days))]

    @property
    def log(self):
        return CommitLog(Warehouse(self.spark, self.settings.paths.tables))

    def step(self):
        """Do one step, and record it in one line of the diary."""
        number, started = len(self.diary["steps"]), time.monotonic()
        draws = random.Random(self.seed * 100_003 + number)
        is_calm = draws.random() < 0.6 or self.next_run() is None or self.next_run()[0] == FIRST
        what = "job" if is_calm else draws.choice(DISTURBANCES)
        try:
            happened = getattr(self, what.replace(" ", "_"))(draws)
        except LtrrError as refusal:
            # A refusal is a valid outcome of a step.
            happened = f"refused: {refusal}"
        self.diary["steps"].append(f"{what}: {happened}")
        self.diary["seconds"] += time.monotonic() - started
        self.save()

    # Steps.

    def job(self, draws):
        """Run the first job that is stale or missing, or whose logs were changed."""
        found = self.next_run()
        return self.run(*found) if found else "nothing to do"

    def rerun(self, draws):
        day, job = self.past(draws), draws.choice(JOBS)
        return self.run(day, job)

    def mend(self, draws):
        """Remove some events of a past date, and ingest its logs again."""
        day = self.past(draws)
        gone = self.remove_events(day, draws)
        return f"{gone} lines of {day} are gone; {self.run(day, JOBS[0])}"

    def mend_and_kill(self, draws):
        day = self.past(draws)
        gone = self.remove_events(day, draws)
        with self.die_at_write(draws.randint(2, 8)):
            return f"{gone} lines of {day} are gone; {self.run(day, JOBS[0])}"

    def late(self, draws):
        """Move half of the events of the newest date to the next day."""
        day = self.next_run()[0]
        if any(job == JOBS[0] for job in self.committed(day)):
            return "the logs are already ingested"
        events, lines = self.events_of(day)
        late = lines[::2]
        write_lines(events, lines[1::2])
        after = self.folder_of(day_of((day - FIRST).days + 1))
        after.mkdir(exist_ok=True)
        write_lines(after / f"events-late-{day}.ndjson.gz", late)
        return f"{len(late)} events of {day}"

    def kill(self, draws):
        """Run the next job, which dies before one of its writes."""
        day, job = self.next_run()
        with self.die_at_write(draws.randint(1, 8)):
            return self.run(day, job)

    def rest(self, draws):
        """Let a week pass: Delta takes ages from the times of the files of its log."""
        for file in Path(self.settings.paths.tables).glob("*/_delta_log/*"):
            if file.is_file():
                then = file.stat().st_mtime - 7 * 86_400
                os.utime(file, (then, then))
        self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        return "a week"

    def person(self, draws):
        settings, who = self.settings_of(draws.choice(self.days())), draws.choice(PEOPLE)
        root, name, reason = settings.paths.policies, settings.policy.name, {"why": "a person", "by_whom": "ada"}
        versions = [one for one in open_policy(root, name).names() if one.startswith("2026")]
        version = draws.choice(versions)
        try:
            if who == "roll_back":
                roll_back(root, name, **reason)
            elif who == "end_canary":
                end_canary(root, name, **reason)
            elif who == "promote":
                promote(root, name, version, **reason)
            else:
                begin_canary(root, name, version, 0.2, **reason)
        except UsageError as refusal:
            return f"{who}: {refusal}"
        return f"{who}: {current_pointer(open_policy(root, name)).version} serves"

    def change_settings(self, draws):
        self.diary["changes"] = draws.choice(([], ["memory.half_life_days=7"], ["clicks.window_days=3"]))
        return str(self.diary["changes"])

    # Execution of a step.

    def run(self, day, job):
        """Run one job; if it is committed, record its settings in the diary."""
        try:
            run = run_job(self.spark, self.settings_of(day), job, day)
        except ProcessDeath as killed:
            return f"{job} of {day} died before {killed}"
        self.diary["took"][f"{job} {day}"] = self.changes_of(day)
        if job == JOBS[0]:
            self.diary["unread"] = [one for one in self.diary["unread"] if one != str(day)]
        return f"{job} of {day}, attempt {run.attempt}"

    @contextmanager
    def die_at_write(self, number):
        """Make the process die before the n-th write of a table."""
        save, written = Warehouse._save, []

        def counted(warehouse, table, *rest, **more):
            written.append(table.name)
            if len(written) >= number:
                raise ProcessDeath(table.name)
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

    def remove_events(self, day, draws):
        """Remove a tenth of the events of a date; return the number of removed lines."""
        file, lines = self.events_of(day)
        kept = [line for line in lines if draws.random() > 0.1]
        # Recorded before the change: after an interruption the logs are ingested once more.
        self.diary["unread"].append(str(day))
        self.save()
        write_lines(file, kept)
        return len(lines) - len(kept)

    def committed(self, day):
        log = self.log
        return [job for job in JOBS if log.run(job, day) is not None]

    def days(self):
        """Dates with a committed job."""
        return sorted({date.fromisoformat(one.split()[1]) for one in self.diary["took"]})

    def past(self, draws):
        return draws.choice(self.days())

    def next_run(self):
        """(date, job) that must run next; None if all nights are done."""
        log = self.log
        for number in range(NIGHTS):
            day = day_of(number)
            stale = stale_jobs(log, FIRST, day)
            for job in JOBS:
                if job in stale or log.run(job, day) is None or (job == JOBS[0] and str(day) in self.diary["unread"]):
                    return day, job
        return None

    def settle(self):
        """Run jobs until no begun night is stale or incomplete; return the number of jobs."""
        done = 0
        while (found := self.next_run()) and self.committed(found[0]):
            self.run(*found)
            done += 1
        return done

    def clean_home(self):
        """Run all jobs on the final logs in a new home, with the settings of the committed runs."""
        clean = self.folder / "clean"
        shutil.rmtree(clean, ignore_errors=True)
        begin_home(clean, NIGHTS, policy_of)
        logs = load_settings(clean).paths.logs
        shutil.rmtree(logs)
        shutil.copytree(self.settings.paths.logs, logs)
        for day in self.days():
            for job in JOBS:
                run_job(self.spark, load_settings(clean, None, self.diary["took"][f"{job} {day}"]), job, day)
        return clean
