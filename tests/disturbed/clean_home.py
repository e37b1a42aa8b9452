"""What a clean home holds: the toy jobs' tables worked out from the final logs alone, without any code of ltrr.

The law of every disturbed home: its tables equal these.
"""

from datetime import timedelta

DAY = timedelta(days=1)


def clean_tables(took, first):
    """(job, date) -> tables as a clean home commits them: table -> key -> values.

    Args:
        took: (job, date) -> what the committed run took from outside: `lines`, `late_days`. Dates
            without any are not there.
        first: date of the history.
    """
    found, day = {}, first
    figures, rejected, curve, queries, rollup, history = {}, {}, {}, {}, {}, {}
    while ("ingest_logs", day) in took:
        lines = took["ingest_logs", day].lines
        before = {key: value for key, value in history.items() if key[0] == day - DAY}
        rate_before = sum(values[0] for values in before.values())
        for about in (day - DAY, day):
            if about >= first:
                late = sum(amount for said, amount in lines if said == about)
                figures[about, "figure"] = (figures.get((about, "figure"), (0.0,))[0] + late,)
        rejected |= {("d", place, day): () for place, (_, amount) in enumerate(lines) if amount % 5 == 0}
        found["ingest_logs", day] = _copied({"data_quality": figures, "rejected_rows": rejected})

        if ("fit_click_model", day) not in took:
            break
        total = sum(figure for (figure,) in figures.values())
        value = total * took["fit_click_model", day].late_days / 3.0
        curve[day, "search", 1] = (value, float(len(lines)), int(total))
        found["fit_click_model", day] = _copied({"examination": curve})

        if ("build_memory", day) in took:
            for about in (day - DAY, day):
                queries[about, "q"] = (int(total), value + rate_before)
            week = day - timedelta(days=day.weekday())
            in_week = [
                impressions for (about, _), (impressions, _) in queries.items() if week <= about < week + 7 * DAY
            ]
            rollup[week, "q", "e"] = (sum(in_week),)
            found["build_memory", day] = _copied({"queries": queries, "q2e_rollup": rollup})
        if ("compute_strategy_features", day) in took:
            history[day, "all"] = (0.01 * rate_before + value,)
            found["compute_strategy_features", day] = _copied({"strategy_history": history})
        if ("build_memory", day) not in took or ("compute_strategy_features", day) not in took:
            break
        day += DAY
    return found


def _copied(tables):
    return {name: dict(rows) for name, rows in tables.items()}


COLUMNS = {
    "data_quality": (("log_date", "check"), ("figure",)),
    "rejected_rows": (("source", "offset", "settled_date"), ()),
    "examination": (("as_of_date", "surface", "position"), ("examination", "standard_error", "impressions")),
    "queries": (("log_date", "query_key"), ("impressions", "users")),
    "q2e_rollup": (("period_start", "query_key", "entity_id"), ("clicks",)),
    "strategy_history": (("as_of_date", "level"), ("hit_rate",)),
}
"""Table -> columns of its key, and of its values, as `clean_tables` holds them."""


def differences(name, rows, clean):
    """Keys at which a table is not what a clean home holds; derived numbers within 1e-9, everything else exactly."""
    keys, values = COLUMNS[name]
    ours = {tuple(row[key] for key in keys): tuple(row[value] for value in values) for row in rows}
    if len(ours) != len(rows):
        return [f"{name}: a key is there twice"]
    theirs = clean[name]
    return [
        f"{name} {[str(part) for part in key]}: {ours.get(key)} is here, {theirs.get(key)} in a clean home"
        for key in sorted(ours.keys() | theirs.keys(), key=str)
        if key not in ours or key not in theirs or not all(map(_near, ours[key], theirs[key]))
    ]


def _near(one, other):
    return one == other or abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
