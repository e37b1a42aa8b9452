"""Who serves, as of which night: the moves of the pointer, and which of them belong to a night.

A night that is run again must be judged against the champion that it was judged against the first time, although the
pointer has moved since. Sequences order all moves of one policy. The row in `releases`, or the pointer itself where no
row exists yet, says which night made a move (none: by hand).
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
        sequence: of the pointer.
        version: served from then on.
        night: logical date of the night that moved it; None: by hand.
        is_recorded: whether `releases` has a row of it.
        why: as the pointer says; for moves that are not recorded.
        canary: as the pointer says; for moves that are not recorded.
        by: who moved it, as the pointer says; for moves that are not recorded.
    """

    sequence: int
    version: str
    night: date | None
    is_recorded: bool = True
    why: str = ""
    canary: Canary | None = None
    by: Mover | None = None


def collect_moves(releases: DataFrame, root: str | os.PathLike[str], name: str) -> list[Move]:
    """Every move of one policy, oldest first: those in `releases`, and pointers without a row there.

    A pointer without a row was set by `ltrr policies init`, by hand during a night, or by a night that died before it
    could commit; the pointer says which. Torn pointers without a row are left out.

    A few rows a night: after ten years of nights some thousands.
    """
    is_own = F.col("policy").isNull() | (F.col("policy") == F.lit(name))
    rows = releases.where(F.col("sequence").isNotNull() & is_own)
    found = rows.select("sequence", "policy_version", "run_date", "policy").collect()
    return moves_of([row.asDict() for row in found], root, name)


def moves_of(rows: Iterable[Mapping[str, Any]], root: str | os.PathLike[str], name: str) -> list[Move]:
    """The moves from rows of `releases` that may be this policy's, and from its pointers.

    A row without a policy is of an older ltrr: it belongs to the policy whose pointer of its sequence names its
    version.
    """
    store = open_policy(root, name)
    known: dict[int, Move] = {}
    for row in rows:
        if row["policy"] == name or (row["policy"] is None and _is_named(store, root, name, row)):
            known[row["sequence"]] = Move(row["sequence"], row["policy_version"], row["run_date"])
    for sequence in sequences(store):
        pointer = None if sequence in known else read_pointer(store, sequence)
        if pointer is not None:
            night = _night(pointer, known.get(sequence - 1))
            known[sequence] = Move(sequence, pointer.version, night, False, pointer.why, pointer.canary, pointer.by)
    return [known[sequence] for sequence in sorted(known)]


def _is_named(store: Store, root: str | os.PathLike[str], name: str, row: Mapping[str, Any]) -> bool:
    if row["sequence"] not in sequences(store):
        return False
    pointer = read_pointer(store, row["sequence"])
    if pointer is None:
        # The hash in a version covers the policy's name: a version lies in the folder of one policy only.
        return is_published(root, name, row["policy_version"])
    return bool(pointer.version == row["policy_version"])


def _night(pointer: Pointer, before: Move | None) -> date | None:
    """The night that moved a pointer.

    A pointer from before `by` is known by the date of its version; where it names the version before it again, a person
    began or ended a canary.
    """
    if pointer.by is not None:
        return pointer.by.run_date
    is_same = before is not None and before.version == pointer.version
    return None if is_same else date.fromisoformat(pointer.version[:10])


def champion_of(moves: Iterable[Move], night: date) -> Move:
    """What served when the night first began: the last move before any of this or a later night.

    >>> init, first = Move(1, "u", date(2026, 3, 1)), Move(2, "a", date(2026, 3, 2))
    >>> champion_of([init, first, Move(3, "b", date(2026, 3, 3))], date(2026, 3, 3)).version
    'a'
    >>> champion_of([init, first, Move(3, "u", None)], date(2026, 3, 3)).version
    'u'

    Raises:
        NotReadyError: nothing was published before this night.
    """
    champion = None
    for move in moves:
        if move.night is not None and move.night >= night:
            break
        champion = move
    if champion is None:
        raise NotReadyError(
            "no policy is published that this night could judge against",
            which=str(night),
            expected="a first champion",
            got="nothing",
            todo="run `ltrr policies init`",
        )
    return champion


def may_move(moves: Sequence[Move], night: date) -> bool:
    """Whether the night may move the pointer: no other night or person has since it first began.

    A rerun of a night never takes back the decision of a later night or of a person.

    >>> moves = [Move(1, "u", date(2026, 3, 1)), Move(2, "a", date(2026, 3, 2)), Move(3, "b", date(2026, 3, 3))]
    >>> may_move(moves, date(2026, 3, 2)), may_move(moves, date(2026, 3, 3)), may_move(moves, date(2026, 3, 4))
    (False, True, True)
    """
    champion = champion_of(moves, night)
    return all(move.night == night for move in moves if move.sequence > champion.sequence)
