"""Many decisions as the text that Vowpal Wabbit reads, written column by column.

`core.vw_text.decision_example` writes the same text for one decision, for serving, without Arrow.
This module needs about a fifth of its time per decision. A test compares both byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools, Floats, Longs
from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import action_names, block_texts, label_text, number_text, shared_names
from ltrr.errors import SchemaError

_PLACES = 6
"""Maximum number of decimals of numbers that Arrow writes.

Arrow and `number_text` write such numbers between 1e-4 and 9 with the same digits, without an
exponent. `number_text` writes all other numbers."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """N decisions with M actions in total, as flat arrays: the training data of a bandit.

    Args:
        shared: Values of `shared_features(space, observe, groups)`, [N, F].
        actions: Plan indices of all decisions, one decision after the other, [M].
        ends: End of each decision's actions: the cumulative number of actions, [N].
        features: Values of `action_features()`, [M, F].
        taken: Index of the plan taken, [N]; it is exactly once among the decision's actions.
        rewards: Reward minus baseline, [N].
        propensities: Propensity of the plan taken, [N].

    Raises:
        SchemaError: A plan taken is not exactly once among the actions of its decision.
    """

    shared: Floats
    actions: Longs
    ends: Longs
    features: Floats
    taken: Longs
    rewards: Floats
    propensities: Floats

    def __post_init__(self) -> None:
        decisions = np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))
        found = np.bincount(decisions[self.is_taken], minlength=len(self))
        if (found != 1).any():
            wrong = int(np.flatnonzero(found != 1)[0])
            raise SchemaError(
                "the plan taken does not identify one action of its decision",
                which=f"decision {wrong} of {len(self)}",
                expected="exactly once among its actions",
                got=f"{int(found[wrong])} times",
            )

    def __len__(self) -> int:
        """Number of decisions, N."""
        return len(self.ends)

    @property
    def starts(self) -> Longs:
        """Start of each decision's actions, [N]."""
        return np.concatenate(([0], self.ends[:-1])).astype(np.int64)

    @property
    def is_taken(self) -> Bools:
        """Whether each action is the plan taken, [M]."""
        return np.asarray(self.actions == np.repeat(self.taken, np.diff(self.ends, prepend=0)))


def write_examples(
    decisions: Decisions, space: PlanSpace, observe: str, groups: tuple[str, ...] = DEFAULT_GROUPS
) -> memoryview:
    """The lines of all decisions, each decision followed by an empty line, as UTF-8.

    Args:
        decisions: The decisions.
        space: The plans.
        observe: Blocks that the policy sees before the choice. With the groups, it determines the
            shared features.
        groups: Groups of shared features that the policy uses.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> one = Decisions(
    ...     shared=np.array([[0, 0, 1, 0, 0, .25]]), actions=np.array([2, 1]), ends=np.array([2]),
    ...     features=np.array([[.6, 0, 0, .5], [.5, -.1, .693147, 1]]),
    ...     taken=np.array([1]), rewards=np.array([.2]), propensities=np.array([.5]),
    ... )
    >>> print(bytes(write_examples(one, space, "blind")).decode(), end="")
    shared |q class=two_words:1 query_words:0.25
    |v value:0.6 strategies:0.5 |b title_1 title_2
    0:-0.2:0.5 |v value:0.5 value_gap:-0.1 log_rank:0.693147 strategies:1 |b title_1 memory_1
    <BLANKLINE>
    """
    if not len(decisions):
        return memoryview(b"")
    head = _join_texts(["shared |q", *_write_features(shared_names(space, observe, groups), decisions.shared), "\n"])
    labels = pa.array(map(label_text, decisions.rewards.tolist(), decisions.propensities.tolist()), pa.string())
    is_last = np.isin(np.arange(len(decisions.actions)), decisions.ends - 1)
    lines = _join_texts(
        [
            _place_texts(head, decisions.starts, len(decisions.actions)),
            _place_texts(labels, np.flatnonzero(decisions.is_taken), len(decisions.actions)),
            "|v",
            *_write_features(action_names(), decisions.features),
            pa.array(block_texts(space)).take(pa.array(decisions.actions)),
            pc.if_else(pa.array(is_last), "\n\n", "\n"),
        ]
    )
    # The data buffer of a string array has the strings one after the other: the text of the file.
    return memoryview(lines.buffers()[2])


def _join_texts(pieces: list[Any]) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, "")


def _place_texts(texts: pa.Array, places: Longs, length: int) -> pa.Array:
    """Text n at places[n], and empty texts elsewhere."""
    which = np.full(length, len(texts))
    which[places] = np.arange(len(texts))
    return pa.concat_arrays([texts, pa.array([""])]).take(pa.array(which))


def _write_features(names: tuple[str, ...], matrix: Floats) -> list[pa.Array]:
    """` name:value` for every column; empty if the value is zero.

    Most features have few distinct values, and each is formatted once.
    """
    columns = []
    for name, column in zip(names, matrix.T, strict=True):
        encoded = pa.array(column).dictionary_encode()
        different = encoded.dictionary.to_numpy()
        text = pc.binary_join_element_wise(name, _write_numbers(different), "")
        columns.append(pc.if_else(pa.array(different != 0.0), text, "").take(encoded.indices))
    return columns


def _write_numbers(values: Floats) -> pa.Array:
    """The `number_text` of every number.

    >>> _write_numbers(np.array([0.25, -1.0, 12.3456789, 2e-05, 0.1 + 0.2])).to_pylist()
    ['0.25', '-1', '12.34568', '2e-05', '0.3']
    """
    short = np.round(np.clip(values, -9.0, 9.0), _PLACES)
    is_alike = (np.abs(values) >= 1e-4) & (short == values)
    texts = pc.cast(pa.array(values), pa.string())
    others = pa.array([number_text(value) for value in values[~is_alike].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(~is_alike), others)
