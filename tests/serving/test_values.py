"""Learned values online: models of the query's own fold, in bundles that old readers refuse."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from ltrr.artifacts.learned_values import block_value_file, unseen_value_file
from ltrr.artifacts.manifest import FORMAT, Manifest
from ltrr.core.coverage import visible_coverage
from ltrr.core.facts import Facts
from ltrr.core.hashing import query_fold
from ltrr.core.text_overlap import text_overlap
from ltrr.errors import ArtifactError
from ltrr.serving.policy import Policy
from ltrr.serving.values import PlanValuer
from tests.artifacts.bundles import (
    FIELDS,
    QUERIES,
    SETTINGS,
    VALUES,
    learned_bundle,
    looks_of,
    value_files,
    valued_bundle,
)

SPACE = SETTINGS.space


def facts_of(key: str) -> dict[str, Facts]:
    return {entity_id: Facts(text_overlap(key, fields)) for entity_id, fields in FIELDS.items()}


def test_a_query_is_valued_by_the_models_of_its_own_fold() -> None:
    """The models of the other folds may be trained on its clicks, and have no effect."""
    files = value_files()
    valuer = PlanValuer(SPACE, VALUES, files)
    for query, key in enumerate(QUERIES):
        own, other = query_fold(key, 2), 1 - query_fold(key, 2)
        swapped = {name(other): files[name(own)] for name in (block_value_file, unseen_value_file)}
        same = PlanValuer(SPACE, VALUES, files | swapped).values(key, looks_of(query), facts_of(key))
        np.testing.assert_array_equal(same, valuer.values(key, looks_of(query), facts_of(key)))
        swapped = {name(own): files[name(other)] for name in (block_value_file, unseen_value_file)}
        changed = PlanValuer(SPACE, VALUES, files | swapped).values(key, looks_of(query), facts_of(key))
        assert not np.array_equal(changed, same)


def test_values_depend_on_overlap_evidence_and_blocks_but_not_on_their_order() -> None:
    valuer, looks, facts = PlanValuer(SPACE, VALUES, value_files()), looks_of(3), facts_of("love")
    values = valuer.values("love", looks, facts)
    np.testing.assert_array_equal(values, valuer.values("love", looks[::-1], dict(reversed(facts.items()))))
    np.testing.assert_array_equal(values, pickle.loads(pickle.dumps(valuer)).values("love", looks, facts))  # noqa: S301
    listed = next(block.entity_ids[0] for block in looks if block.entity_ids)
    wanted = {**facts, listed: replace(facts.get(listed, Facts()), clicks=50.0, examinations=50.0)}
    for changed in ({}, wanted):
        assert not np.array_equal(values, valuer.values("love", looks, changed))
    assert values.shape == (len(SPACE),)


def test_if_every_block_is_visible_nothing_is_added_to_coverage() -> None:
    files = {name: model for name, model in value_files().items() if name.startswith("block_value")}
    valuer, looks = PlanValuer(SPACE, VALUES, files), looks_of(3)
    certain = {entity_id: Facts((), 1e9, 1e9) for block in looks for entity_id in block.entity_ids}
    worth = dict.fromkeys(certain, 1.0)
    np.testing.assert_allclose(valuer.values("love", looks, certain), visible_coverage(SPACE, looks, worth), atol=1e-5)


def test_a_manifest_states_its_oldest_reader() -> None:
    plain, valued = (
        replace(manifest, settings=replace(manifest.settings, query_key_version=1))
        for manifest in (learned_bundle()[0], valued_bundle()[0])
    )
    assert (plain.minimum_reader, valued.minimum_reader) == (FORMAT - 1, FORMAT)
    assert plain.version != valued.version
    assert Manifest.of_bytes(valued.to_bytes(), valued.version) == valued
    described = json.loads(valued.to_bytes())
    described["values"]["look_features"][0]["name"] = "another"
    with pytest.raises(ArtifactError, match="features are not those"):
        Manifest.of_bytes(json.dumps(described).encode(), valued.version)


def test_a_bundle_of_the_previous_format_is_served() -> None:
    manifest, files = learned_bundle()
    described = {**json.loads(manifest.to_bytes()), "format": FORMAT - 1}
    del described["values"]
    old = Manifest.of_bytes(json.dumps(described).encode(), manifest.version)
    assert old.values is None
    served, before = Policy.of(old, files), Policy.of(manifest, files)
    assert served.version == before.version
    np.testing.assert_array_equal(
        served.distribution("love", looks_of(1)).dense(), before.distribution("love", looks_of(1)).dense()
    )


def test_models_that_are_missing_or_of_other_features_are_refused() -> None:
    manifest, files = valued_bundle()
    with pytest.raises(ArtifactError, match=r"block_value-1\.ubj"):
        Policy.of(manifest, {name: data for name, data in files.items() if name != block_value_file(1)})
    with pytest.raises(ArtifactError, match="other features"):
        Policy.of(manifest, files | {unseen_value_file(0): files[block_value_file(0)]})
