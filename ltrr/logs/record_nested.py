"""Good decision records -> the nested rows of their tables, for all records at once.

The same rows as those of `ltrr.logs.record_rows`, which are made record by record.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltrr.arrays import Longs
from ltrr.logs.column_lines import struct_rows
from ltrr.logs.nested_columns import Level, lengths, list_array, place_of, ranges, starts_of
from ltrr.logs.record_conditions import Levels, place_of_taken


@dataclass(frozen=True)
class NestedRows:
    """Rows of the tables that are nested in the row of a record.

    Attributes:
        levels: Records without a fault, [N].
        schema: Arrow schema of the parsed rows.
    """

    levels: Levels
    schema: pa.Schema

    def columns(self) -> dict[str, pa.Array]:
        """Table -> its rows in each record, [N]."""
        draws, candidates = self._draws_and_candidates()
        return {
            "decisions": self._decisions(),
            "draws": draws,
            "candidates": candidates,
            "slate_rows": self._slate_rows(),
        }

    def _lists(self, name: str, record: Longs, **given: pa.Array) -> pa.ListArray:
        """Rows of a table, which belong to these records, as a list for each record."""
        kind = self.schema.field(name).type.value_type
        counts = np.bincount(record, minlength=len(self.levels.records)).astype(np.int64)
        return list_array(counts, struct_rows(kind, given, len(record)))

    def _slate_rows(self) -> pa.ListArray:
        slate = self.levels.slate
        features = slate.field("features")
        # A feature that the record has as null is NaN.
        numbers = list_array(lengths(features), pc.fill_null(features.flatten(), np.nan))
        given = {name: slate.field(name) for name in ("position", "entity_id")}
        return self._lists("slate_rows", slate.record, **given, features=numbers)

    def _draws_and_candidates(self) -> tuple[pa.ListArray, pa.ListArray]:
        """Every fetched block once; a draw replaces the look at the same block."""
        levels = self.levels
        looks, draws, _ = levels.blocks
        instead, further = levels.drawn_instead, self._further
        source = np.concatenate([np.where(instead >= 0, len(looks) + instead, np.arange(len(looks))), further])
        is_looked_at = np.arange(len(source)) < len(looks)
        is_drawn = np.concatenate([instead >= 0, further < len(looks) + len(draws)])
        record = self._record_of_block[source]
        order = np.argsort(record, kind="stable")
        source, is_looked_at, is_drawn, record = source[order], is_looked_at[order], is_drawn[order], record[order]
        counts = self._result_counts[source]
        results = ranges(starts_of(self._result_counts)[source], counts)
        listings = self._listings[results]
        # A drawn block itself lists each of its entities once.
        is_new = listings == np.repeat(is_drawn.astype(np.int64), counts)
        block_of = np.repeat(np.arange(len(source)), counts)
        shared = {
            **{name: _joined(levels.blocks, name).take(pa.array(source)) for name in ("strategy", "depth")},
            "is_looked_at": pa.array(is_looked_at),
            "is_drawn": pa.array(is_drawn),
        }
        draw_lists = self._lists(
            "draws",
            record,
            **shared,
            status=_joined(levels.blocks, "status").take(pa.array(source)),
            results=pa.array(counts),
            milliseconds=_joined(levels.blocks, "milliseconds").take(pa.array(source)),
            new_entities=pa.array(np.bincount(block_of, weights=is_new, minlength=len(source)).astype(np.int64)),
        )
        place = self._slate_place[results]
        positions = levels.slate.field("position").take(pa.array(place, mask=place < 0))
        candidates = self._lists(
            "candidates",
            record[block_of],
            **{name: values.take(pa.array(block_of)) for name, values in shared.items()},
            **{name: _joined(levels.results, name).take(pa.array(results)) for name in ("rank", "entity_id")},
            score=self._scores.take(pa.array(results)),
            position=positions,
        )
        return draw_lists, candidates

    # Blocks are numbered through all looks, then all draws, then all blocks of off_path.

    @cached_property
    def _further(self) -> Longs:
        """Blocks that were not looked at: draws, then those of off_path."""
        looks, draws, off_path = map(len, self.levels.blocks)
        return np.concatenate([looks + self.levels.deeper, looks + draws + np.arange(off_path)])

    @cached_property
    def _record_of_block(self) -> Longs:
        return np.concatenate([level.record for level in self.levels.blocks])

    @cached_property
    def _result_counts(self) -> Longs:
        """Number of results of each block."""
        return np.concatenate([lengths(level.field("results")) for level in self.levels.blocks])

    @cached_property
    def _listings(self) -> Longs:
        """Number of drawn blocks of the record that list the entity of each result."""
        _, drawn, _, _ = self.levels.entity_keys
        keys = self._entity_keys
        return np.asarray(np.bincount(drawn, minlength=int(keys.max(initial=0)) + 1)[keys], dtype=np.int64)

    @cached_property
    def _slate_place(self) -> Longs:
        """Index of the row of the slate with the entity of each result; -1 if it was not shown."""
        return place_of(self._entity_keys, self.levels.entity_keys[-1])

    @cached_property
    def _entity_keys(self) -> Longs:
        """A number for record and entity of each result."""
        return np.concatenate(self.levels.entity_keys[:-1])

    @cached_property
    def _scores(self) -> pa.Array:
        scores = _joined(self.levels.results, "score")
        return pc.if_else(pc.is_nan(scores), pa.scalar(None, pa.float64()), scores)

    def _decisions(self) -> pa.ListArray:
        decisions, shortlist = self.levels.decisions, self.levels.shortlist
        records = decisions.record
        propensities = pa.StructArray.from_arrays(
            [shortlist.field("action"), shortlist.field("propensity")], names=["action", "p"]
        )
        look, deeper = self._look_and_deeper()
        return self._lists(
            "decisions",
            records,
            **{name: decisions.field(name) for name in ("step", "decide", "observe", "action_taken")},
            **{name: decisions.field(name) for name in ("floor", "n_actions")},
            logging_propensity=decisions.field("propensity"),
            action_propensities=list_array(lengths(decisions.field("shortlist")), propensities),
            shared_features=decisions.field("shared"),
            action_features=self._action_features(),
            **{name: decisions.field("history", name) for name in ("hit_rate", "marginal_hit_rate")},
            look=look.take(pa.array(records)),
            deeper=deeper.take(pa.array(records)),
            is_shadow=pa.array(self.levels.has_shadow[records]),
            drawn=self._drawn().take(pa.array(records)),
        )

    def _drawn(self) -> pa.MapArray:
        """Strategy -> depth of its deepest drawn block, of each record."""
        draws, records = self.levels.blocks[1], len(self.levels.records)
        named = draws.field("strategy").dictionary_encode()
        names = sorted(named.dictionary.to_pylist())
        rank = np.array([names.index(name) for name in named.dictionary.to_pylist()], dtype=np.int64)
        place = draws.record * max(len(names), 1) + rank[named.indices.to_numpy()]
        found, inverse = np.unique(place, return_inverse=True)
        depths = np.zeros(len(found), dtype=np.int32)
        np.maximum.at(depths, inverse, draws.integers("depth").astype(np.int32))
        owner, name = np.divmod(found, max(len(names), 1))
        offsets = np.concatenate(([0], np.bincount(owner, minlength=records).cumsum()))
        keys = pa.array(names, pa.string()).take(pa.array(name))
        return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, pa.array(depths, pa.int32()))

    def _action_features(self) -> pa.ListArray:
        """Features of the shortlist's actions, then of the action taken if it is none of them."""
        decisions, shortlist = self.levels.decisions, self.levels.shortlist
        outside = np.flatnonzero(place_of_taken(self.levels) < 0)
        owner = np.concatenate([shortlist.parent, outside])
        order = np.argsort(owner, kind="stable")
        names = pa.concat_arrays([shortlist.field("action"), decisions.field("action_taken").take(pa.array(outside))])
        taken = decisions.field("taken_features").take(pa.array(outside))
        features = pa.concat_arrays([shortlist.field("features"), taken])
        rows = pa.StructArray.from_arrays([names, features], names=["action", "features"]).take(pa.array(order))
        return list_array(np.bincount(owner, minlength=len(decisions)).astype(np.int64), rows)

    def _look_and_deeper(self) -> tuple[pa.ListArray, pa.ListArray]:
        """Blocks with the facts of their candidates: those looked at, and the other ones."""
        looks = self.levels.blocks[0]
        rows = self._block_rows()
        records = len(self.levels.records)
        look = list_array(np.bincount(looks.record, minlength=records).astype(np.int64), rows[: len(looks)])
        further = self._further
        owner = self._record_of_block[further]
        others = rows.take(pa.array(further[np.argsort(owner, kind="stable")]))
        return look, list_array(np.bincount(owner, minlength=records).astype(np.int64), others)

    def _block_rows(self) -> pa.StructArray:
        """Rows of all blocks."""
        results, counts, source = self.levels.results, self._result_counts, self._fact_source
        facts = pa.array(source, mask=source < 0)
        overlaps = _joined(results, "overlap").take(facts)
        numbers = pc.fill_null(overlaps.flatten(), np.nan)
        given = {
            **{name: _joined(self.levels.blocks, name) for name in ("strategy", "depth", "status")},
            "entity_ids": list_array(counts, _joined(results, "entity_id")),
            "scores": list_array(counts, self._scores),
            "overlaps": list_array(counts, list_array(lengths(overlaps), numbers)),
            **{
                name: list_array(counts, pc.fill_null(_joined(results, name).take(facts), 0.0))
                for name in ("clicks", "examinations")
            },
        }
        kind = self.schema.field("decisions").type.value_type.field("look").type.value_type
        return struct_rows(kind, given, len(counts))

    @cached_property
    def _fact_source(self) -> Longs:
        """Index of the result that has the facts of each result's entity; -1 if no result has."""
        results = self.levels.results
        keys = self._entity_keys
        is_known = pc.or_(_joined(results, "overlap").is_valid(), _joined(results, "examinations").is_valid())
        known = np.flatnonzero(is_known.to_numpy(zero_copy_only=False))
        first = place_of(keys, keys[known])
        return np.where(first >= 0, known[first], -1) if len(known) else first


def _joined(levels: tuple[Level, ...], name: str) -> pa.Array:
    """A field of all blocks, or of all results, in the order of their numbers."""
    return pa.concat_arrays([level.field(name) for level in levels])
