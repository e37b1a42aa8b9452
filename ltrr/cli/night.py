"""Commands `ltrr nightly` and `ltrr job`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ltrr.cli.options import AcceptQuality, Common, Date, parse_date, with_common
from ltrr.cli.output import narrow_stderr, show
from ltrr.cli.progress import JobProgress
from ltrr.logs.quality import NO_PROPENSITIES, SHADOW_ONLY, THINNED
from ltrr.pipelines import runner
from ltrr.pipelines.jobs import JOBS, check_job
from ltrr.pipelines.preflight import check_before_start, prove_shared_paths
from ltrr.spark.commits import JobRun
from ltrr.spark.quality import parse_accepted
from ltrr.spark.session import build_session


@with_common
def nightly(
    common: Common,
    date_: Date,
    accept_quality: AcceptQuality = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rerun earlier dates first whose inputs have changed, oldest first.")
    ] = False,
) -> None:
    """Run the eight jobs of one date in one Spark session."""
    day = parse_date(date_)
    settings = common.settings()
    check_before_start(settings, day)
    spark = build_session(f"ltrr nightly {day}", settings.spark)
    prove_shared_paths(spark, settings.paths)
    with JobProgress(narrow_stderr(), day) as progress:
        runs = runner.run_nightly(
            spark,
            settings,
            day,
            accept_quality=parse_accepted(accept_quality or ()),
            repair=repair,
            on_start=progress.start,
            on_commit=progress.end,
        )
    _show(runs, f"Night of {day}", common)


@with_common
def job(
    common: Common,
    name: Annotated[str, typer.Argument(help=" | ".join(JOBS), show_default=False)],
    date_: Date,
    accept_quality: AcceptQuality = None,
) -> None:
    """Run one job of one date."""
    check_job(name)
    day = parse_date(date_)
    settings = common.settings()
    check_before_start(settings, day, name)
    spark = build_session(f"ltrr {name} {day}", settings.spark)
    prove_shared_paths(spark, settings.paths)
    with JobProgress(narrow_stderr(), day, [name]) as progress:
        progress.start(name, day)
        run = runner.run_job(spark, settings, name, day, accept_quality=parse_accepted(accept_quality or ()))
        progress.end(run)
    _show([run], f"{name} of {day}", common)


def _show(runs: Sequence[JobRun], title: str, common: Common) -> None:
    """Show the runs as JSON with all notes, or as a table and the night's decision."""
    rows: list[dict[str, Any]] = [
        {
            "job": run.job,
            "date": run.run_date,
            "attempt": run.attempt,
            "seconds": run.seconds,
            "rows written": sum(output.rows for output in run.outputs),
            **({"notes": dict(run.notes)} if common.as_json else {}),
        }
        for run in runs
    ]
    common.show(rows, title)
    if not common.as_json:
        for run in runs:
            if run.notes.get("with_propensities") == "0" and run.notes.get("impressions") != "0":
                why = SHADOW_ONLY if int(run.notes.get("shadow_decisions", 0)) else NO_PROPENSITIES
                show(f"log of {run.run_date}: {why}")
            if "thinned_choices" in run.notes:
                show(f"log of {run.run_date}: {run.notes['thinned_choices']} choices are thinned: {THINNED}")
            if "ranker_why" in run.notes:
                show(f"ranker of {run.run_date}: {run.notes['ranker_why']}")
            if "why" in run.notes:
                show(f"decision of {run.run_date}: {run.notes['why']}")
