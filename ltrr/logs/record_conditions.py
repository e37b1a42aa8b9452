"""Conditions of good decision records, for all records at once.

A record that fulfils them is one that `ltrr.artifacts.record_checks` accepts. The others are
checked there, and so are records that are so close to a limit that two orders of a sum may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Bools, Floats, Longs
from ltrr.artifacts.contradictions import TOLERANCE, draw_contradictions
from ltrr.artifacts.record_fields import HISTORY as HISTORY_FIELDS
from ltrr.logs.column_lines import is_given
from ltrr.logs.nested_columns import (
    Conditions,
    Level,
    codes,
    joined_codes,
    lengths,
    occur_once,
    parents,
    place_of,
    starts_of,
)
from ltrr.logs.record_schema import ACTION, BLOCK, DECISION, HISTORY, RECORD, RESULT, SLATE_ROW, Fields

_CLOSE = TOLERANCE * (1.0 - 1e-6)


@dataclass(frozen=True)
class Levels:
    """Levels of N decision records.

    Attributes:
        records: The records, [N].
    """

    records: Level

    @cached_property
    def blocks(self) -> tuple[Level, Level, Level]:
        """Blocks of `looks`, of `draws`, and of `off_path`."""
        return self.records.below("looks"), self.records.below("draws"), self.records.below("off_path")

    @cached_property
    def results(self) -> tuple[Level, Level, Level]:
        """Results of each of the three kinds of block; their parents are blocks."""
        looks, draws, off_path = self.blocks
        return looks.below("results"), draws.below("results"), off_path.below("results")

    @cached_property
    def has_shadow(self) -> Bools:
        """Whether each record has a shadow decision, [N]."""
        return is_given(self.records.field("shadow"))

    @cached_property
    def decisions(self) -> Level:
        """Decisions and shadow decisions; a good record has at most one of both."""
        served, owner = self.records.below("decisions"), np.flatnonzero(self.has_shadow)
        if not len(owner):
            return served
        shadow = self.records.field("shadow").take(pa.array(owner))
        record = np.concatenate([served.record, owner])
        order = np.argsort(record, kind="stable")
        values = pa.concat_arrays([served.values, shadow]).take(pa.array(order)) if len(served) else shadow
        return Level(values, record[order], record[order])

    @cached_property
    def shortlist(self) -> Level:
        """Entries of the shortlists; their parents are decisions."""
        return self.decisions.below("shortlist")

    @cached_property
    def slate(self) -> Level:
        """Rows of the slates."""
        return self.records.below("slate")

    @cached_property
    def block_keys(self) -> list[Longs]:
        """A number for record, strategy and depth of each block of looks, draws and off_path."""
        strategies = codes(*(level.field("strategy") for level in self.blocks))
        depths = [level.integers("depth") for level in self.blocks]
        return joined_codes([level.record for level in self.blocks], strategies, depths)

    @cached_property
    def entity_keys(self) -> list[Longs]:
        """A number for record and entity, in the results of each kind of block and on slates."""
        levels = (*self.results, self.slate)
        entities = codes(*(level.field("entity_id") for level in levels))
        return joined_codes([level.record for level in levels], entities)

    @cached_property
    def drawn_instead(self) -> Longs:
        """Index of the draw that is the same block as each look; -1 if it was not drawn."""
        looks, draws, _ = self.block_keys
        return place_of(looks, draws)

    @cached_property
    def deeper(self) -> Longs:
        """Indices of the draws that were not looked at."""
        looks, draws, _ = self.block_keys
        return np.flatnonzero(place_of(draws, looks) < 0)


def has_good_fields(levels: Levels) -> Bools:
    """Whether all fields of each record are valid by themselves, [N]."""
    conditions = Conditions(len(levels.records))
    _require_fields(conditions, levels.records, RECORD, lists=("looks", "decisions", "draws", "slate"))
    for blocks, results in zip(levels.blocks, levels.results, strict=True):
        _require_fields(conditions, blocks, BLOCK, lists=("results",))
        _require_fields(conditions, results, RESULT)
    decisions = levels.decisions
    conditions.require(levels.records.record, lengths(levels.records.field("decisions")) <= 1)
    _require_fields(conditions, decisions, DECISION, lists=("shortlist", "history"))
    conditions.require(decisions.record, lengths(decisions.field("shortlist")) > 0)
    for name, kind in HISTORY.items():
        conditions.require(decisions.record, kind.is_valid(decisions.field("history", name)))
    _require_fields(conditions, levels.shortlist, ACTION)
    _require_fields(conditions, levels.slate, SLATE_ROW)
    return conditions.is_good


def _require_fields(conditions: Conditions, level: Level, fields: Fields, lists: tuple[str, ...] = ()) -> None:
    for name, kind in fields.items():
        conditions.require(level.record, kind.is_valid(level.field(name)))
    for name in lists:
        conditions.require(level.record, is_given(level.field(name)))


def has_no_contradiction(levels: Levels, strategies: frozenset[str]) -> Bools:
    """Whether the parts of each record agree, and all its strategies are known, [N].

    Args:
        levels: Records with good fields.
        strategies: Strategies that a record may name.
    """
    conditions = Conditions(len(levels.records))
    is_policy, is_static = (_is_served_by(levels, by) for by in ("policy", "static"))
    _require_blocks(conditions, levels, strategies)
    _require_slate(conditions, levels, is_policy)
    has_decision = lengths(levels.records.field("decisions")) > 0
    conditions.require(levels.records.record, ~is_policy | has_decision)
    conditions.require(levels.records.record, ~levels.has_shadow | (is_static & ~has_decision))
    _require_distribution(conditions, levels)
    _require_features(conditions, levels)
    _require_plans(conditions, levels, is_policy, strategies)
    return conditions.is_good


def _is_served_by(levels: Levels, by: str) -> Bools:
    return np.asarray(pc.equal(levels.records.field("served_by"), by).to_numpy(zero_copy_only=False), dtype=bool)


def _require_blocks(conditions: Conditions, levels: Levels, strategies: frozenset[str]) -> None:
    for blocks, results, keys in zip(levels.blocks, levels.results, levels.block_keys, strict=True):
        conditions.require(blocks.record, occur_once(keys))
        counts = lengths(blocks.field("results"))
        is_ok = np.asarray(pc.equal(blocks.field("status"), "ok").to_numpy(zero_copy_only=False), dtype=bool)
        conditions.require(blocks.record, is_ok | (counts == 0))
        ranks, first = results.integers("rank"), starts_of(counts)[results.parent]
        conditions.require(results.record, ranks - ranks[first] == np.arange(len(ranks)) - first)
        conditions.require(blocks.record, are_known(blocks.field("strategy"), strategies))
    looks, draws, off_path = levels.block_keys
    conditions.require(levels.blocks[2].record, ~np.isin(off_path, np.concatenate([looks, draws])))
    # A draw replaces the look at the same block.
    is_kept = levels.drawn_instead[levels.results[0].parent] < 0
    kept = np.concatenate([is_kept, np.ones(sum(map(len, levels.results[1:])), dtype=bool)])
    names = codes(*(level.field("strategy") for level in levels.blocks))
    listed = [name[results.parent] for name, results in zip(names, levels.results, strict=True)]
    record = np.concatenate([results.record for results in levels.results])[kept]
    ranks = np.concatenate([results.integers("rank") for results in levels.results])[kept]
    [keys] = joined_codes([record], [np.concatenate(listed)[kept]], [ranks])
    conditions.require(record, occur_once(keys))


def _require_slate(conditions: Conditions, levels: Levels, is_policy: Bools) -> None:
    slate = levels.slate
    _, drawn, _, shown = levels.entity_keys
    first = starts_of(lengths(levels.records.field("slate")))[slate.parent]
    conditions.require(slate.record, slate.integers("position") == np.arange(len(slate)) - first + 1)
    conditions.require(slate.record, occur_once(shown))
    conditions.require(slate.record, ~is_policy[slate.record] | np.isin(shown, drawn))


def place_of_taken(levels: Levels) -> Longs:
    """Index of the action taken in the shortlists, for each decision; -1 if it is outside."""
    decisions, shortlist = levels.decisions, levels.shortlist
    taken, listed = codes(decisions.field("action_taken"), shortlist.field("action"))
    own, entries = joined_codes([np.arange(len(decisions)), shortlist.parent], [taken, listed])
    return place_of(own, entries)


def _require_distribution(conditions: Conditions, levels: Levels) -> None:
    decisions, shortlist = levels.decisions, levels.shortlist
    [actions] = codes(shortlist.field("action"))
    [entries] = joined_codes([shortlist.parent], [actions])
    conditions.require(shortlist.record, occur_once(entries))
    counts, n_actions = lengths(decisions.field("shortlist")), decisions.integers("n_actions")
    conditions.require(decisions.record, counts <= n_actions)
    listed, floor = _floats(shortlist, "propensity"), _floats(decisions, "floor")
    total = np.bincount(shortlist.parent, weights=listed, minlength=len(decisions)) + (n_actions - counts) * floor
    conditions.require(decisions.record, np.abs(total - 1.0) <= _CLOSE)
    place, propensity = place_of_taken(levels), _floats(decisions, "propensity")
    expected = np.where(place >= 0, listed[place], floor) if len(listed) else floor
    conditions.require(decisions.record, np.abs(propensity - expected) <= _CLOSE)


def _require_features(conditions: Conditions, levels: Levels) -> None:
    decisions, shortlist = levels.decisions, levels.shortlist
    features, taken = shortlist.field("features"), decisions.field("taken_features")
    is_equal = lengths(features) == lengths(taken)[shortlist.parent]
    conditions.require(shortlist.record, is_equal)
    place = place_of_taken(levels)
    same = np.flatnonzero((place >= 0) & conditions.is_good[decisions.record])
    listed = features.take(pa.array(place[same])).flatten().to_numpy()
    logged = taken.take(pa.array(same))
    conditions.require(decisions.record[same][parents(logged)], listed == logged.flatten().to_numpy())
    first, second = (decisions.field("history", name) for name in HISTORY_FIELDS)
    conditions.require(decisions.record, lengths(first) == lengths(second))
    alike = pa.array(np.flatnonzero(lengths(first) == lengths(second)))
    first, second = first.take(alike), second.take(alike)
    record = decisions.record[np.asarray(alike)][parents(first)]
    conditions.require(record, lengths(first.flatten()) == lengths(second.flatten()))


def _require_plans(conditions: Conditions, levels: Levels, is_policy: Bools, strategies: frozenset[str]) -> None:
    """Plans of known strategies, and draws of the plan taken; equal pairs are checked once."""
    decisions = levels.decisions
    for level, name in ((decisions, "action_taken"), (levels.shortlist, "action")):
        conditions.require(level.record, _test_distinct(level.field(name), lambda plan: _is_known(plan, strategies)))
    draws = levels.blocks[1]
    depth = draws.field("depth").cast(pa.string())
    named = pc.binary_join_element_wise(draws.field("strategy"), depth, ":")
    blocks = pa.ListArray.from_arrays(_offsets(lengths(levels.records.field("draws"))), named)
    of_decision = pc.binary_join(blocks, "\x1e").take(pa.array(decisions.record))
    pairs = pc.binary_join_element_wise(decisions.field("action_taken"), of_decision, "\x1f")
    conditions.require(decisions.record, ~is_policy[decisions.record] | _test_distinct(pairs, _is_plan_drawn))


def _is_known(plan: str, strategies: frozenset[str]) -> bool:
    return all(part.partition(":")[0] in strategies for part in plan.split(","))


def _is_plan_drawn(pair: str) -> bool:
    plan, _, drawn = pair.rpartition("\x1f")
    named = (block.rpartition(":") for block in drawn.split("\x1e") if block)
    draws = [{"strategy": strategy, "depth": int(depth)} for strategy, _, depth in named]
    return not list(draw_contradictions(draws, plan))


def are_known(texts: pa.Array, known: frozenset[str]) -> Bools:
    """Whether each text is in a set."""
    return _test_distinct(texts, known.__contains__)


def _test_distinct(texts: pa.Array, test: Callable[[str], bool]) -> Bools:
    """Whether each text passes a test, which is made once for each distinct text."""
    encoded = pc.dictionary_encode(texts)
    passed: Bools = np.fromiter(map(test, encoded.dictionary.to_pylist()), dtype=np.bool_)
    return np.asarray(passed[encoded.indices.to_numpy(zero_copy_only=False)], dtype=bool)


def _floats(level: Level, name: str) -> Floats:
    return np.asarray(level.field(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def _offsets(counts: Longs) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
