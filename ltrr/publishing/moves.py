"""Who serves, as of which night: the moves of the pointer, and which of them belong to a night.

A night that is run again must be judged against the champion that it was judged against the first time, although the
pointer has moved since. Sequences order all moves, and each release row says which night made its move (none: by hand).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.pointer import Canary, open_policy, pointer_at, sequences
from ltrr.errors import NotReadyError, UsageError


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
    """

    sequence: int
    version: str
    night: date | None
    is_recorded: bool = True
    why: str = ""
    canary: Canary | None = None


def collect_moves(releases: DataFrame, root: str | os.PathLike[str], name: str) -> list[Move]:
    """Every move, oldest first: those in `releases`, and pointers that nobody has recorded yet.

    Such a pointer was set by `ltrr policies init`, by hand during a night, or by a night that died before it could
    commit; a night is known by the date of the version, which no hand makes. One that names the version before it again
    has a canary begin or end, and that a hand does: a night's version is a new one.

    A few rows a night: after ten years of nights some thousands.
    """
    rows = releases.where(F.col("sequence").isNotNull()).select("sequence", "policy_version", "run_date").collect()
    recorded = {row["sequence"]: Move(row["sequence"], row["policy_version"], row["run_date"]) for row in rows}
    store = open_policy(root, name)
    for sequence in sequences(store):
        if sequence not in recorded:
            pointer = pointer_at(store, sequence)
            is_same = sequence - 1 in recorded and recorded[sequence - 1].version == pointer.version
            night = None if is_same else date.fromisoformat(pointer.version[:10])
            recorded[sequence] = Move(sequence, pointer.version, night, False, pointer.why, pointer.canary)
    return [recorded[sequence] for sequence in sorted(recorded)]


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
    """Whether the night may move the pointer: nobody else has since the night first began.

    A night that is run again never takes back what a later night or a person decided.

    >>> moves = [Move(1, "u", date(2026, 3, 1)), Move(2, "a", date(2026, 3, 2)), Move(3, "b", date(2026, 3, 3))]
    >>> may_move(moves, date(2026, 3, 2)), may_move(moves, date(2026, 3, 3)), may_move(moves, date(2026, 3, 4))
    (False, True, True)
    """
    champion = champion_of(moves, night)
    return all(move.night == night for move in moves if move.sequence > champion.sequence)


def version_before(moves: Sequence[Move]) -> str:
    """What a rollback returns to: what served before the current version first did.

    >>> version_before([Move(1, "a", None), Move(2, "b", None), Move(3, "c", None), Move(4, "b", None)])
    'a'

    Raises:
        UsageError: the current version is the first.
    """
    current = moves[-1].version if moves else ""
    first = next((move.sequence for move in moves if move.version == current), 0)
    earlier = [move.version for move in moves if move.sequence < first]
    if not earlier:
        raise UsageError("there is nothing to roll back to", which=current or "no version", got="it is the first")
    return earlier[-1]
