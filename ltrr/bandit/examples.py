"""Many decisions at once as the text that Vowpal Wabbit reads: `core.vw_text.decision_example`, a column at a time.

The serving side writes one decision and has neither the need for Arrow nor Arrow; here the same
text is made of whole columns, at about five times the speed. A test holds both equal, byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ltrr.core.feature_groups import DEFAULT_GROUPS
from ltrr.core.plans import PlanSpace
from ltrr.core.vw_text import action_names, block_texts, label_text, number_text, shared_names
from ltrr.errors import SchemaError

Floats = NDArray[np.float64]

_PLACES = 6
"""A number of at most this many decimals, at least 1e-4 and at most 9, is written alike by Arrow
and `number_text`: all its digits, no exponent. Any other is left to `number_text`."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """N decisions with M actions in all, as flat arrays: what a bandit learns from.

    Args:
        shared: values of `shared_features(space, observe, groups)`, [N, F].
        actions: plan indices, one decision's after the other's, [M].
        ends: where the actions of each decision end, [N]: the cumulated numbers of actions.
        features: values of `action_features()`, [M, F].
        taken: plan index of the plan taken, [N]; among the decision's actions, once.
        rewards: reward minus baseline, [N].
        propensities: of the plan taken, [N].

    Raises:
        SchemaError: a plan taken is not among the actions of its decision, or is there more than
            once; so each decision has at least one.
    """

    shared: Floats
    actions: NDArray[np.int64]
    ends: NDArray[np.int64]
    features: Floats
    taken: NDArray[np.int64]
    rewards: Floats
    propensities: Floats

    def __post_init__(self) -> None:
        decisions = np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))
        found = np.bincount(decisions[self.is_taken], minlength=len(self))
        if (found != 1).any():
            wrong = int(np.flatnonzero(found != 1)[0])
            raise SchemaError(
                "the chosen plan is not an action of its decision",
                which=f"decision {wrong} of {len(self)}",
                expected="exactly once among its actions",
                got=f"{int(found[wrong])} times",
            )

    def __len__(self) -> int:
        """N."""
        return len(self.ends)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the actions of each decision start, [N]."""
        return np.concatenate(([0], self.ends[:-1])).astype(np.int64)

    @property
    def is_taken(self) -> NDArray[np.bool_]:
        """Whether an action is the one taken, [M]."""
        return np.asarray(self.actions == np.repeat(self.taken, np.diff(self.ends, prepend=0)))


def examples_text(
    decisions: Decisions, space: PlanSpace, observe: str, groups: tuple[str, ...] = DEFAULT_GROUPS
) -> memoryview:
    """The lines of every decision, each followed by an empty line: UTF-8, to be written to a file as it is.

    Args:
        decisions: any number of them.
        space: the plans.
        observe: what the policy sees, which decides the shared features together with
        groups: that the policy uses.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> features = np.array([[.6, 0, 0, .5], [.5, -.1, .693147, 1]])
    >>> one = Decisions(shared=np.array([[0, 0, 1, 0, 0, .25]]), actions=np.array([2, 1]), ends=np.array([2]),
    ...                 features=features, taken=np.array([1]), rewards=np.array([.2]), propensities=np.array([.5]))
    >>> print(bytes(examples_text(one, space, "blind")).decode(), end="")
    shared |q class=two_words:1 query_words:0.25
    |v value:0.6 strategies:0.5 |b title_1 title_2
    0:-0.2:0.5 |v value:0.5 value_gap:-0.1 log_rank:0.693147 strategies:1 |b title_1 memory_1
    <BLANKLINE>
    """
    if not len(decisions):
        return memoryview(b"")
    head = _joined(["shared |q", *_values(shared_names(space, observe, groups), decisions.shared), "\n"])
    labels = pa.array(map(label_text, decisions.rewards.tolist(), decisions.propensities.tolist()), pa.string())
    is_last = np.isin(np.arange(len(decisions.actions)), decisions.ends - 1)
    lines = _joined(
        [
            _placed(head, decisions.starts, len(decisions.actions)),
            _placed(labels, np.flatnonzero(decisions.is_taken), len(decisions.actions)),
            "|v",
            *_values(action_names(), decisions.features),
            pa.array(block_texts(space)).take(pa.array(decisions.actions)),
            pc.if_else(pa.array(is_last), "\n\n", "\n"),
        ]
    )
    # What a string array keeps behind its offsets is its strings, one after the other: the file
    # itself.
    return memoryview(lines.buffers()[2])


def _joined(pieces: list[Any]) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, "")


def _placed(texts: pa.Array, places: NDArray[np.int64], length: int) -> pa.Array:
    """Text n at places[n], nothing elsewhere."""
    which = np.full(length, len(texts))
    which[places] = np.arange(len(texts))
    return pa.concat_arrays([texts, pa.array([""])]).take(pa.array(which))


def _values(names: tuple[str, ...], matrix: Floats) -> list[pa.Array]:
    """` name:value` of every column, nothing where the value is zero.

    Most features have few values, so each different one is written once.
    """
    columns = []
    for name, column in zip(names, matrix.T, strict=True):
        encoded = pa.array(column).dictionary_encode()
        different = encoded.dictionary.to_numpy()
        text = pc.binary_join_element_wise(name, _numbers(different), "")
        columns.append(pc.if_else(pa.array(different != 0.0), text, "").take(encoded.indices))
    return columns


def _numbers(values: Floats) -> pa.Array:
    """`number_text` of every number.

    >>> _numbers(np.array([0.25, -1.0, 12.3456789, 2e-05, 0.1 + 0.2])).to_pylist()
    ['0.25', '-1', '12.34568', '2e-05', '0.3']
    """
    short = np.round(np.clip(values, -9.0, 9.0), _PLACES)
    is_alike = (np.abs(values) >= 1e-4) & (short == values)
    texts = pc.cast(pa.array(values), pa.string())
    others = pa.array([number_text(value) for value in values[~is_alike].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(~is_alike), others)
