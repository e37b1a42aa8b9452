"""Tables of a clean home: results of the toy jobs, computed from the final logs without ltrr.

The tables of every disturbed home must equal them.
"""

from datetime import timedelta

DAY = timedelta(days=1)


def clean_tables(inputs, first):
    """Tables that each run commits in a clean home: (job, date) -> table -> key -> values.

    Args:
        inputs: (job, date) -> inputs of the committed run (`lines`, `late_days`). Runs that were
            not committed are missing.
        first: First date of the history.
    """
    found, day = {}, first
    figures, rejected, curve, queries, rollup, history = {}, {}, {}, {}, {}, {}
    while ("ingest_logs", day) in inputs:
        lines = inputs["ingest_logs", day].lines
        previous_rates = {key: value for key, value in history.items() if key[0] == day - DAY}
        rate_before = sum(values[0] for values in previous_rates.values())
        for about in (day - DAY, day):
            if about >= first:
                late = sum(amount for about_date, amount in lines if about_date == about)
                figures[about, "figure"] = (figures.get((about, "figure"), (0.0,))[0] + late,)
        rejected |= {("d", place, day): () for place, (_, amount) in enumerate(lines) if amount % 5 == 0}
        found["ingest_logs", day] = _copy_tables({"data_quality": figures, "rejected_rows": rejected})

        if ("fit_click_model", day) not in inputs:
            break
        total = sum(figure for (figure,) in figures.values())
        value = total * inputs["fit_click_model", day].late_days / 3.0
        curve[day, "search", 1] = (value, float(len(lines)), int(total))
        found["fit_click_model", day] = _copy_tables({"examination": curve})

        if ("build_memory", day) in inputs:
            for about in (day - DAY, day):
                queries[about, "q"] = (int(total), value + rate_before)
            week = day - timedelta(days=day.weekday())
            in_week = [
                impressions for (about, _), (impressions, _) in queries.items() if week <= about < week + 7 * DAY
            ]
            rollup[week, "q", "e"] = (sum(in_week),)
            found["build_memory", day] = _copy_tables({"queries": queries, "q2e_rollup": rollup})
        if ("compute_strategy_features", day) in inputs:
            history[day, "all"] = (0.01 * rate_before + value,)
            found["compute_strategy_features", day] = _copy_tables({"strategy_history": history})
        if ("build_memory", day) not in inputs or ("compute_strategy_features", day) not in inputs:
            break
        day += DAY
    return found


def _copy_tables(tables):
    return {name: dict(rows) for name, rows in tables.items()}


COLUMNS = {
    "data_quality": (("log_date", "check"), ("figure",)),
    "rejected_rows": (("source", "offset", "settled_date"), ()),
    "examination": (("as_of_date", "surface", "position"), ("examination", "standard_error", "impressions")),
    "queries": (("log_date", "query_key"), ("impressions", "users")),
    "q2e_rollup": (("period_start", "query_key", "entity_id"), ("clicks",)),
    "strategy_history": (("as_of_date", "level"), ("hit_rate",)),
}
"""Table -> columns of its key, and columns of its values, as in `clean_tables`."""


def differences(name, rows, clean):
    """One text for each key at which a table differs from that of a clean home.

    Derived numbers may differ by 1e-9, relative; all other values must be equal.
    """
    keys, values = COLUMNS[name]
    ours = {tuple(row[key] for key in keys): tuple(row[value] for value in values) for row in rows}
    if len(ours) != len(rows):
        return [f"{name}: a key occurs twice"]
    theirs = clean[name]
    return [
        f"{name} {[str(part) for part in key]}: got {ours.get(key)}, a clean home has {theirs.get(key)}"
        for key in sorted(ours.keys() | theirs.keys(), key=str)
        if key not in ours or key not in theirs or not all(map(_is_near, ours[key], theirs[key]))
    ]


def _is_near(one, other):
    return one == other or abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
