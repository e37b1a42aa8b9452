"""Moves of the pointer: the champion as of a night, and the moves that a night made.

A rerun of a night must judge against the champion of its first run, although the pointer has moved
since. Sequences order all moves of one policy. The row in `releases` names the night that made a
move; a move by hand has none. If there is no row yet, the pointer itself names that night.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import is_published
from ltrr.artifacts.pointer import Canary, Mover, Pointer, open_policy, read_pointer, sequences
from ltrr.artifacts.store import Store
from ltrr.errors import NotReadyError


@dataclass(frozen=True)
class Move:
    """One move of the pointer.

    Attributes:
        sequence: Sequence of the pointer.
        version: Version that serves from this move on.
        night: Logical date of the night that made the move; None for a move by hand.
        is_recorded: Whether `releases` has a row for the move.
        why: Reason in the pointer; only for moves that are not recorded.
        canary: Canary in the pointer; only for moves that are not recorded.
        by: Night or person in the pointer; only for moves that are not recorded.
    """

    sequence: int
    version: str
    night: date | None
    is_recorded: bool = True
    why: str = ""
    canary: Canary | None = None
    by: Mover | None = None


def collect_moves(releases: DataFrame, root: str | os.PathLike[str], name: str) -> list[Move]:
    """All moves of one policy, oldest first: those in `releases`, and pointers without a row.

    A pointer without a row comes from `ltrr policies init`, from a move by hand during a night, or
    from a night that failed before its commit. The pointer names its source. Torn pointers without
    a row are left out. The driver reads a few rows per night: some thousands after ten years.
    """
    is_own = F.col("policy").isNull() | (F.col("policy") == F.lit(name))
    rows = releases.where(F.col("sequence").isNotNull() & is_own)
    found = rows.select("sequence", "policy_version", "run_date", "policy").collect()
    return moves_of([row.asDict() for row in found], root, name)


def moves_of(rows: Iterable[Mapping[str, Any]], root: str | os.PathLike[str], name: str) -> list[Move]:
    """The moves from rows of `releases` that may belong to this policy, and from its pointers.

    An older ltrr wrote rows without a policy. Such a row belongs to the policy whose pointer of the
    same sequence names the version of the row.
    """
    store = open_policy(root, name)
    known: dict[int, Move] = {}
    for row in rows:
        if row["policy"] == name or (row["policy"] is None and _is_named(store, root, name, row)):
            known[row["sequence"]] = Move(row["sequence"], row["policy_version"], row["run_date"])
    for sequence in sequences(store):
        pointer = None if sequence in known else read_pointer(store, sequence)
        if pointer is not None:
            night = _find_night(pointer, known.get(sequence - 1))
            known[sequence] = Move(sequence, pointer.version, night, False, pointer.why, pointer.canary, pointer.by)
    return [known[sequence] for sequence in sorted(known)]


def _is_named(store: Store, root: str | os.PathLike[str], name: str, row: Mapping[str, Any]) -> bool:
    if row["sequence"] not in sequences(store):
        return False
    pointer = read_pointer(store, row["sequence"])
    if pointer is None:
        # The hash in a version covers the policy's name, so a version is in one policy's folder
        # only.
        return is_published(root, name, row["policy_version"])
    return bool(pointer.version == row["policy_version"])


def _find_night(pointer: Pointer, before: Move | None) -> date | None:
    """The night that moved a pointer; None if a person did.

    For a pointer older than the field `by`, the date of its version gives the night. If it repeats
    the version before it, a person began or ended a canary.
    """
    if pointer.by is not None:
        return pointer.by.run_date
    is_same = before is not None and before.version == pointer.version
    return None if is_same else date.fromisoformat(pointer.version[:10])


def champion_of(moves: Iterable[Move], night: date) -> Move:
    """The champion when the night first began: the last move before this night's first move.

    Moves of later nights are left out too.

    >>> init, first = Move(1, "u", date(2026, 3, 1)), Move(2, "a", date(2026, 3, 2))
    >>> champion_of([init, first, Move(3, "b", date(2026, 3, 3))], date(2026, 3, 3)).version
    'a'
    >>> champion_of([init, first, Move(3, "u", None)], date(2026, 3, 3)).version
    'u'

    Raises:
        NotReadyError: No version was published before this night.
    """
    champion = None
    for move in moves:
        if move.night is not None and move.night >= night:
            break
        champion = move
    if champion is None:
        raise NotReadyError(
            "no version was published before this night",
            which=str(night),
            expected="a first champion",
            got="none",
            todo="run `ltrr policies init`",
        )
    return champion


def may_move(moves: Sequence[Move], night: date) -> bool:
    """Whether no other night or person has moved the pointer since the night first began.

    If one has, a rerun of the night does not move it: later decisions stay.

    >>> days = [date(2026, 3, day) for day in range(1, 5)]
    >>> moves = [Move(1, "u", days[0]), Move(2, "a", days[1]), Move(3, "b", days[2])]
    >>> [may_move(moves, day) for day in days[1:]]
    [False, True, True]
    """
    champion = champion_of(moves, night)
    return all(move.night == night for move in moves if move.sequence > champion.sequence)
