"""Logs as Vowpal Wabbit text: one file that `vw -d FILE` learns from as from the log itself.

    cb_adf (dsjson)     a line `shared`, a line for each action, the action taken with the label
                        0:cost:probability, and an empty line
    ccb (slots)         the same with `ccb shared`, `ccb action` and `ccb slot`
    cb (other logs)     one line, action:cost:probability | features; actions count from 1

The cost is the reward with the opposite sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pyspark.sql import DataFrame

from ltrr.errors import SupportError, UsageError
from ltrr.logs.json_paths import RepeatedKeyError, check_unrepeated
from ltrr.logs.service_records import find_action, find_skip_reason
from ltrr.ope.byte_streams import Lines, list_blocks, read_lines
from ltrr.ope.json_lines import REPEATED, read_records
from ltrr.ope.log_paths import LogPath
from ltrr.ope.rows import SKIPPED, LogColumns
from ltrr.ope.text_rows import decode
from ltrr.ope.vw_features import write_namespaces, write_number
from ltrr.ope.vw_lines import read_label


def export_dsjson(log: LogPath, target: Path) -> tuple[int, Counter[str]]:
    """Write the decisions of a dsjson log in the order of its lines.

    Returns:
        Number of decisions, and reason -> number of lines that are left out.

    Raises:
        SupportError: A decision has a `pdrop` above zero, for which VW's text has no place.
    """
    written, skipped = 0, Counter[str]()
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for record, place in _read_all(log):
            reason = record if isinstance(record, str) else _find_reason(record)
            if reason or isinstance(record, str):
                skipped[reason] += 1
                continue
            if record.get("pdrop"):
                raise SupportError(
                    "VW's text has no weight for sampled decisions",
                    which=place,
                    expected="pdrop 0",
                    got=str(record["pdrop"]),
                    todo="learn from the log itself with `vw --dsjson`",
                )
            _write_decision(file, record)
            written += 1
    return written, skipped


def export_vw_lines(log: LogPath, target: Path) -> tuple[int, Counter[str]]:
    """Write the labelled lines of a log that is VW's text, unchanged.

    Returns:
        Number of decisions, and reason -> number of lines that are left out.
    """
    written, skipped = 0, Counter[str]()
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for lines, _ in _read_blocks(log):
            for line in decode(lines.text).splitlines():
                label = read_label(line.strip()) if line.strip() else ""
                if isinstance(label, tuple):
                    file.write(f"{line}\n")
                    written += 1
                elif label:
                    skipped[label] += 1
    return written, skipped


def export_rows(rows: DataFrame, columns: LogColumns, target: Path) -> tuple[int, Counter[str]]:
    """Write rows of any log with one action taken each, with its features as one namespace.

    Returns:
        Number of decisions, and reason -> number of rows that are left out.

    Raises:
        UsageError: The column of the action is not named.
    """
    if columns.action is None:
        raise UsageError(
            "VW's labels need the action taken",
            which="--action",
            expected="the column of the action, from 0",
            got="none",
        )
    fixed = (columns.action, columns.reward, columns.logging_propensity)
    written, skipped = 0, Counter[str]()
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows.toLocalIterator():
            reason = row[SKIPPED] if SKIPPED in rows.columns else None
            if reason:
                skipped[reason] += 1
                continue
            action, reward, propensity = (float(row[name]) for name in fixed)
            features = {name: _to_feature(row[name]) for name in columns.features}
            label = f"{int(action) + 1}:{write_number(-reward + 0.0)}:{write_number(propensity)}"
            file.write(f"{label} {write_namespaces(features) or '|'}\n")
            written += 1
    return written, skipped


def _find_reason(record: Mapping[str, Any]) -> str:
    try:
        check_unrepeated(dict(record))
        return find_skip_reason(record)
    except RepeatedKeyError:
        return REPEATED


def _read_all(log: LogPath) -> Iterator[tuple[dict[str, Any] | str, str]]:
    for lines, name in _read_blocks(log):
        yield from read_records(lines, name)


def _read_blocks(log: LogPath) -> Iterator[tuple[Lines, str]]:
    for address in log.files:
        for block in list_blocks(address):
            for lines in read_lines(*block):
                yield lines, log.name(address)


def _write_decision(file: IO[str], record: Mapping[str, Any]) -> None:
    context = record.get("c")
    fields = context if isinstance(context, dict) else {}
    shared = write_namespaces(fields)
    actions = [write_namespaces(one) if isinstance(one, dict) else "" for one in fields.get("_multi") or []]
    if "_outcomes" in record:
        slots = [write_namespaces(one) if isinstance(one, dict) else "" for one in fields.get("_slots") or []]
        labels = [_label_slot(one) for one in record["_outcomes"]]
        slots += [""] * (len(labels) - len(slots))
        lines = [f"ccb shared {shared or '|'}", *(f"ccb action {one or '|'}" for one in actions)]
        lines += [f"ccb slot {label} {one or '|'}" for label, one in zip(labels, slots, strict=False)]
    else:
        label = f"0:{_number(record.get('_label_cost'))}:{_number(record.get('_label_probability'))} "
        taken = find_action(record)
        lines = [f"shared {shared}"] if shared else []
        lines += [f"{label if n == taken else ''}{one or '|'}" for n, one in enumerate(actions)]
    file.write("\n".join(lines) + "\n\n")


def _label_slot(outcome: Mapping[str, Any]) -> str:
    """The label of a slot: action:cost:probability of the action taken, then the other actions'."""
    actions, chances = (one if isinstance(one, list) else [one] for one in (outcome.get("_a"), outcome.get("_p")))
    first, *others = zip(actions, chances, strict=False)
    label = f"{first[0]}:{_number(outcome.get('_label_cost'))}:{_number(first[1])}"
    return ",".join([label, *(f"{action}:{_number(chance)}" for action, chance in others)])


def _number(value: Any) -> str:
    return write_number(value) if isinstance(value, (int, float)) else "0"


def _to_feature(value: Any) -> Any:
    """A number as a number, also from text; any other value as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None if value is None else f"={value}"
