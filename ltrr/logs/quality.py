"""Quality of a night's logs: counts of the lines, and checks of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.contradictions import TOLERANCE
from ltrr.logs.block_contents import BlockContents
from ltrr.logs.clocks import NAIVE, ZONED
from ltrr.logs.folder import NO_TRAFFIC, SUCCESS, FolderFiles, list_names
from ltrr.logs.reasons import NO_FAULTS
from ltrr.logs.settings import LogSettings
from ltrr.spark.quality import Check, at_most

IMPRESSIONS = "impressions"
"""Check whose figure is the night's number of impressions. Later nights compare theirs with it."""


@dataclass(frozen=True)
class Counts:
    """Outcome of a night's lines, in counts.

    Attributes:
        lines: Number of lines in the folder.
        carried: Number of events of earlier nights that waited for their impression.
        impressions: Number of accepted decision records.
        fallbacks: Number of these that the fallback served.
        propensity_error: Largest difference between 1 and the sum of a decision's propensities;
            None without decisions.
        joined: Number of events joined to an impression.
        clicks: Number of these that are clicks.
        waiting: Number of events that wait for their impression.
        rejected: Reason -> number of lines of the night's folder rejected for it.
        rejected_earlier: Number of events of earlier nights that this night rejected.
        has_no_traffic: Whether the folder declares a date without any search.
        structure: Number of lines of the layout of files, which have no record.
        pages: Number of lines that add a page to the search of another line.
        clocks: Contents of the blocks, with the forms of their times.
        is_history: Whether the lines are those of a history.
        with_propensities: Number of accepted impressions with the propensities of a choice.
        choices: Number of these whose choice a decision service made and logged with its reward.
        rewarded_choices: Number of these choices with a reward other than 0.
        thinned_choices: Number of these choices that stand for others that the service dropped.
    """

    lines: int
    carried: int
    impressions: int
    fallbacks: int
    propensity_error: float | None
    joined: int
    clicks: int
    waiting: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    rejected_earlier: int = 0
    has_no_traffic: bool = False
    structure: int = 0
    pages: int = 0
    clocks: Sequence[BlockContents] = ()
    is_history: bool = False
    with_propensities: int = 0
    shadowed: int = 0
    choices: int = 0
    rewarded_choices: int = 0
    thinned_choices: int = 0


def propensity_error(decisions: Column) -> Column:
    """Largest distance of a decision's sum of propensities from 1; null without decisions.

    >>> shortlist = "array(struct('title:1' as action, 0.5D as p)) as action_propensities"
    >>> decision = f"struct({shortlist}, 3 as n_actions, 0.2D as floor)"
    >>> rows = spark.sql(f"select array({decision}) as decisions")
    >>> round(rows.select(propensity_error(F.col("decisions")).alias("error")).head().error, 9)
    0.1
    """

    def error(decision: Column) -> Column:
        shortlist = decision["action_propensities"]
        listed = F.aggregate(shortlist, F.lit(0.0), lambda total, entry: total + entry["p"])
        return F.abs(listed + (decision["n_actions"] - F.size(shortlist)) * decision["floor"] - 1.0)

    return F.array_max(F.transform(decisions, error))


def count_rows(decision_lines: DataFrame, settled_events: DataFrame, rejected_rows: DataFrame, folder: str) -> Counts:
    """Count the outcomes of the lines, each frame in one pass.

    The caller sets `lines` and `carried`, which are 0 here.

    Args:
        decision_lines: Parsed decision lines that are accepted.
        settled_events: Events with status and kind.
        rejected_rows: Rows of `rejected_rows`.
        folder: Name of the night's folder, with which the source of its lines begins.
    """
    n = F.count(F.lit(1)).alias("n")
    fallbacks = F.count_if(F.col("impression.served_by") == "fallback").alias("fallbacks")
    error = F.max(propensity_error(F.col("decisions"))).alias("error")
    is_shadow = F.exists("decisions", lambda decision: decision["is_shadow"])
    decided = F.count_if((F.size("decisions") > 0) & ~is_shadow).alias("decided")
    shadowed = F.count_if(is_shadow).alias("shadowed")
    taken = decision_lines.agg(n, fallbacks, error, decided, shadowed, *_choice_counts()).collect()[0]
    settled = settled_events.groupBy("status").agg(n, F.count_if(F.col("kind") == "click").alias("clicks")).collect()
    events = {row["status"]: row for row in settled}
    is_new = F.col("source").startswith(f"{folder}/").alias("is_new")
    rejected = rejected_rows.groupBy("reason", is_new).agg(n).collect()
    return Counts(
        lines=0,
        carried=0,
        impressions=taken["n"],
        fallbacks=taken["fallbacks"],
        with_propensities=taken["decided"],
        shadowed=taken["shadowed"],
        propensity_error=taken["error"],
        choices=taken["choices"],
        rewarded_choices=taken["rewarded_choices"],
        thinned_choices=taken["thinned_choices"],
        joined=events["joined"]["n"] if "joined" in events else 0,
        clicks=events["joined"]["clicks"] if "joined" in events else 0,
        waiting=events["waiting"]["n"] if "waiting" in events else 0,
        rejected={row["reason"]: row["n"] for row in rejected if row["is_new"]},
        rejected_earlier=sum(row["n"] for row in rejected if not row["is_new"]),
    )


def _choice_counts() -> list[Column]:
    """Numbers of the choices of decision services."""
    conditions: dict[str, Callable[[Column], Column]] = {
        "choices": lambda decision: decision["logged_reward"].isNotNull(),
        "rewarded_choices": lambda decision: decision["logged_reward"] != 0.0,
        "thinned_choices": lambda decision: decision["pdrop"] > 0.0,
    }
    return [F.count_if(F.exists("decisions", holds)).alias(name) for name, holds in conditions.items()]


def check_counts(counts: Counts, usual_impressions: Sequence[float], settings: LogSettings) -> list[Check]:
    """Checks of a night.

    Some reasons (`NO_FAULTS`) are no fault of the logs, so the rejected share leaves them out.

    Args:
        counts: Counts of the night.
        usual_impressions: Number of impressions of each of the last `volume_days` nights.
        settings: Limits.

    >>> counts = Counts(
    ...     lines=110, carried=0, impressions=90, fallbacks=0, propensity_error=0.0,
    ...     joined=10, clicks=9, waiting=1, rejected={"malformed_json": 9})
    >>> checks = check_counts(counts, [], LogSettings())
    >>> [(check.name, check.detail) for check in checks if check.outcome == "failed"]
    [('rejected_share', '9 of 110 lines: malformed_json 9')]
    """
    rejected = sum(counts.rejected.values())
    faulty = {reason: n for reason, n in counts.rejected.items() if reason not in NO_FAULTS}
    kept = counts.impressions + counts.pages + counts.joined
    read = counts.lines - counts.structure
    missing = read + counts.carried - kept - counts.waiting - rejected - counts.rejected_earlier
    return [
        at_most(
            "row_balance",
            float(abs(missing)),
            0.0,
            f"{read} lines and {counts.carried} carried = {kept} kept + {counts.waiting} waiting "
            f"+ {rejected + counts.rejected_earlier} rejected, {missing} missing",
        ),
        _check_rejected(counts, read, faulty, settings),
        _check_volume(counts, usual_impressions, settings),
        at_most(
            "fallback_share",
            _share(counts.fallbacks, counts.impressions),
            settings.fallback_share_limit,
            f"{counts.fallbacks} of {counts.impressions} impressions",
        ),
        at_most("propensity_error", counts.propensity_error, TOLERANCE, "largest distance of a sum from 1"),
        _check_clicks(counts),
        *_check_choices(counts),
        _check_propensities(counts),
        *_check_clocks(counts.clocks, settings.rejected_share_limit),
        *_list_reported_counts(counts),
    ]


def _check_rejected(counts: Counts, read: int, faulty: Mapping[str, int], settings: LogSettings) -> Check:
    """Share of the lines that are rejected for a fault.

    It stops a night, because a running service has changed. A history is as it is: it is reported.
    """
    figure = _share(sum(faulty.values()), read)
    worst = ", ".join(f"{reason} {n}" for reason, n in sorted(faulty.items(), key=lambda item: (-item[1], item[0])))
    detail = f"{sum(faulty.values())} of {read} lines" + (f": {worst}" if worst else "")
    if counts.is_history:
        return Check("rejected_share", figure, None, "reported", detail)
    return at_most("rejected_share", figure, settings.rejected_share_limit, detail)


NO_PROPENSITIES = (
    "no search has the propensities of a choice: plans are neither learned nor judged; "
    "docs/how-to/bring-a-log.md says what to log"
)
"""Explanation of a night whose log cannot judge any plan."""

SHADOW_ONLY = (
    "all pages are static, with the choices of a shadow policy: values are learned, plans are not judged; "
    "`ltrr shadow report` says what this log can show"
)
"""Explanation of a night in shadow mode."""


def _check_propensities(counts: Counts) -> Check:
    share = _share(counts.with_propensities, counts.impressions)
    detail = f"{counts.with_propensities} of {counts.impressions} impressions"
    if counts.impressions > 0 and counts.with_propensities == 0:
        detail = SHADOW_ONLY if counts.shadowed else NO_PROPENSITIES
    return Check("with_propensities", share, None, "reported", detail)


def _list_reported_counts(counts: Counts) -> list[Check]:
    """Counts that are only reported."""
    found = [
        ("waiting_events", counts.waiting, "events without an impression so far"),
        ("given_up_events", counts.rejected_earlier, "earlier events rejected tonight"),
    ]
    if counts.shadowed:
        found.append(("shadow_decisions", counts.shadowed, "static pages with the choice of a shadow policy"))
    if counts.structure:
        found.append(("structure_lines", counts.structure, "lines of the layout, such as those of bulk requests"))
    if counts.pages:
        found.append(("page_lines", counts.pages, "lines that add a page to a search of another line"))
    found += [(f"rejected_{reason}", n, f"lines rejected as {reason}") for reason, n in sorted(counts.rejected.items())]
    return [Check(name, float(n), None, "reported", detail) for name, n, detail in found]


def _check_clocks(contents: Sequence[BlockContents], limit: float) -> list[Check]:
    """Forms of the times of foreign lines; text with and without a zone in one file fails.

    A time without a zone is read as UTC. In a file that has zones too, it is probably local time. A
    share up to `limit` is taken for damaged lines: no single line stops a night.
    """
    total: Counter[str] = Counter()
    by_file: dict[str, Counter[str]] = {}
    for block in contents:
        total.update(block.clocks)
        by_file.setdefault(block.source, Counter()).update(block.clocks)
    if not total:
        return []
    mixed = [
        file
        for file, forms in sorted(by_file.items())
        if min(forms[NAIVE], forms[ZONED]) > limit * (forms[NAIVE] + forms[ZONED])
    ]
    forms = ", ".join(f"{n} {form}" for form, n in total.most_common())
    if mixed:
        return [
            at_most("clock_forms", float(len(mixed)), 0.0, f"with and without a zone: {list_names(mixed)}; {forms}")
        ]
    return [Check("clock_forms", float(len(total)), None, "reported", forms)]


def left_out_check(files: FolderFiles) -> Check:
    """Number and first names of the files in the night's folder that are no logs by their names.

    >>> left_out_check(FolderFiles({}, ("_temporary/0/decisions-1.ndjson",))).detail
    '_temporary/0/decisions-1.ndjson'
    """
    return Check("files_left_out", float(len(files.left_out)), None, "reported", list_names(files.left_out) or "none")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _check_volume(counts: Counts, usual_impressions: Sequence[float], settings: LogSettings) -> Check:
    impressions = counts.impressions
    if counts.has_no_traffic:
        declared = f"the folder declares no traffic by {NO_TRAFFIC}"
        if impressions:
            detail = f"{declared} and has {impressions} impressions"
            return Check(IMPRESSIONS, float(impressions), 0.0, "failed", detail)
        return Check(IMPRESSIONS, 0.0, None, "reported", declared)
    if not impressions or not usual_impressions:
        empty = f"no impression in the logs of the night; a date without traffic needs {NO_TRAFFIC} next to {SUCCESS}"
        detail = "there are some" if impressions else empty
        return Check(IMPRESSIONS, float(impressions), 1.0, "ok" if impressions else "failed", detail)
    usual = median(usual_impressions)
    low, high = usual / settings.volume_factor, usual * settings.volume_factor
    limit = low if impressions < usual else high
    detail = f"{low:.0f} to {high:.0f} around the median {usual:.0f} of {len(usual_impressions)} nights"
    return Check(IMPRESSIONS, float(impressions), limit, "ok" if low <= impressions <= high else "failed", detail)


THINNED = (
    "the service dropped other choices (pdrop): its choices of these dates are neither learned from nor judged; "
    "log them all, or judge the files with `ltrr ope --format dsjson`"
)
"""Explanation of choices of a thinned log."""


def _check_choices(counts: Counts) -> list[Check]:
    """Rewards of the choices of decision services and their thinning, if there are choices."""
    if not counts.choices:
        return []
    share = _share(counts.rewarded_choices, counts.choices)
    detail = f"{counts.rewarded_choices} of {counts.choices} choices of decision services have a reward other than 0"
    checks = [Check("rewarded_choices", share, 0.0, "ok" if counts.rewarded_choices else "failed", detail)]
    if counts.thinned_choices:
        checks.append(Check("thinned_choices", float(counts.thinned_choices), None, "reported", THINNED))
    return checks


def _check_clicks(counts: Counts) -> Check:
    """Clicks on the impressions whose rewards come from events."""
    impressions = counts.impressions - counts.choices
    share = _share(counts.clicks, impressions)
    is_silent = impressions > 0 and counts.clicks == 0
    detail = f"{counts.clicks} clicks on {impressions} impressions"
    return Check("clicks_an_impression", share, 0.0, "failed" if is_silent else "ok", detail)
