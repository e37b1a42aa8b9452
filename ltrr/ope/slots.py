"""Estimates of single slots of a log whose decisions have several (CCB)."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame

from ltrr.ope.dsjson import SLOT, to_slot_rows
from ltrr.ope.estimates import OpeSettings, estimate_log
from ltrr.ope.report import OpeReport
from ltrr.ope.rows import LogColumns


def estimate_slots(log: DataFrame, columns: LogColumns, settings: OpeSettings) -> OpeReport:
    """Estimates of each slot's own reward, as slices slot=ID.

    A slot's weight is the ratio of its own probabilities. So its estimate is the reward of the slot
    if the policy fills this slot and the logging policy all others. It is the slot's reward under
    the policy in all slots only if the other slots' actions change neither the slot's reward nor
    its available actions. The estimate of all slots together, from products of the probabilities,
    does not need this assumption.

    Args:
        log: Rows of `read_dsjson`.
        columns: Meaning of its columns.
        settings: Settings of the evaluation.
    """
    rows = to_slot_rows(log, columns)
    return estimate_log(rows, replace(columns, slices=(SLOT,), action=None, action_propensities=None), settings)
