"""A bundle is complete or absent, has one version, and every pointer has one writer."""

import json
import shutil
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ltrr.artifacts.bundle import (
    current,
    is_published,
    move_pointer,
    pointers,
    publish_bundle,
    read_bundle,
    read_manifest,
    uniform_bundle,
    versions,
)
from ltrr.artifacts.manifest import FORMAT, Manifest, PolicySettings
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.artifacts.store import Store
from ltrr.core.exploration import ExplorationSettings
from ltrr.errors import ArtifactError, ConfigError, NotReadyError
from tests.artifacts.bundles import SETTINGS, learned_bundle, memory_files


@pytest.fixture(params=["file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "policies") if request.param == "file" else f"memory://{tmp_path.name}/policies"


def test_what_is_published_is_read_back(root: str) -> None:
    manifest, files = learned_bundle()
    version = publish_bundle(root, "search", manifest, files)
    assert version.startswith("2026-03-02-")
    assert len(version) == len("2026-03-02-") + 12
    found, read = read_bundle(root, "search", version)
    assert read == files
    assert found.settings == SETTINGS
    assert found.version == version
    assert versions(root, "search") == [version]


def test_publishing_the_same_again_publishes_nothing(root: str) -> None:
    manifest, files = learned_bundle()
    version = publish_bundle(root, "search", manifest, files)
    assert publish_bundle(root, "search", replace(manifest, run_id="another", created_at="later"), files) == version
    assert read_manifest(root, "search", version).run_id == "run"
    assert versions(root, "search") == [version]


def test_the_version_depends_on_files_and_settings_alone() -> None:
    manifest, _ = learned_bundle()
    base = manifest.with_files({"bandit.vw": Payload.of(b"a"), "ranker.ubj": Payload.of(b"b")})
    assert manifest.with_files({"ranker.ubj": Payload.of(b"b"), "bandit.vw": Payload.of(b"a")}).version == base.version
    assert replace(base, table_versions={"events": 7}, ope={"verdict": "trust"}).version == base.version
    others = {
        base.with_files({"bandit.vw": Payload.of(b"b"), "ranker.ubj": Payload.of(b"a")}).version,
        replace(base, settings=replace(SETTINGS, observe="blind")).version,
        replace(base, settings=replace(SETTINGS, exploration=replace(SETTINGS.exploration, floor_share=0.3))).version,
        replace(base, as_of_date=date(2026, 3, 3)).version,
    }
    assert len(others | {base.version}) == 5


def test_versions_without_a_kind_of_exploration_do_not_change() -> None:
    exploration = ExplorationSettings(0.05, 0.2, 5)
    settings = PolicySettings("search", ("title", "memory"), exploration=exploration, query_key_version=1)
    assert Manifest(settings, date(2026, 3, 2)).version == "2026-03-02-33de83c261ac"


def test_a_bundle_without_a_version_of_the_query_key_has_version_1() -> None:
    old = PolicySettings("search", ("title", "memory"), query_key_version=1)
    assert "query_key_version" not in old.to_json()
    assert PolicySettings.of_json(old.to_json()) == old
    new = replace(old, query_key_version=2)
    assert PolicySettings.of_json(new.to_json()) == new
    assert Manifest(new, date(2026, 3, 2)).version != Manifest(old, date(2026, 3, 2)).version
    # A reader of format 1 would compute keys of version 1.
    assert (Manifest(old, date(2026, 3, 2)).minimum_reader, Manifest(new, date(2026, 3, 2)).minimum_reader) == (1, 2)
    with pytest.raises(ConfigError, match="unknown version of the query key"):
        replace(old, query_key_version=3)


def test_versions_without_a_score_weight_do_not_change() -> None:
    epsilon = ExplorationSettings(0.05, 0.2, 5, kind="epsilon", epsilon=0.3)
    versions = {
        Manifest(
            PolicySettings(
                "search",
                ("title", "memory"),
                exploration=replace(epsilon, score_weight=weight),
                query_key_version=1,
            ),
            date(2026, 3, 2),
        ).version
        for weight in (1.0, 0.5, 0.0)
    }
    assert "2026-03-02-f10bbb5a6106" in versions
    assert len(versions) == 3


def test_every_kind_of_exploration_is_read_back(root: str) -> None:
    explorations = {
        ExplorationSettings(0.05, 0.2, 5, kind="squarecb", gamma=50.0, query_classes={"long": 2, "digits": 0.5}),
        ExplorationSettings(0.05, 0.2, 5, kind="epsilon"),
        ExplorationSettings(0.05, 0.2, 5, query_classes={"long": 2.0}),
        ExplorationSettings(0.05, 0.2, 5),
        ExplorationSettings(0.05, 0.2, 5, score_weight=0.5),
        ExplorationSettings(0.05, 0.2, 5, kind="epsilon", score_weight=0.0),
    }
    published = set()
    for exploration in explorations:
        manifest, files = learned_bundle()
        explored = replace(manifest, settings=replace(SETTINGS, exploration=exploration))
        published.add(publish_bundle(root, "search", explored, files))
    assert len(published) == len(explorations)
    assert {read_manifest(root, "search", version).settings.exploration for version in published} == explorations


def test_the_uniform_bundle_is_uniform_for_every_query_class() -> None:
    exploring = replace(SETTINGS.exploration, query_classes={"long": 0.1})
    manifest, _ = uniform_bundle(replace(SETTINGS, exploration=exploring), date(2026, 3, 1))
    assert manifest.settings.exploration.of_class("long").floor_share == 1.0


def test_payloads_go_into_the_bundle_by_hash(tmp_path: Path) -> None:
    manifest, files = learned_bundle()
    stored = {name: put_payload(tmp_path / "search", data) for name, data in memory_files().items()}
    version = publish_bundle(tmp_path, "search", manifest, {**files, **stored})
    assert read_bundle(tmp_path, "search", version)[1] == files
    missing = {"memory-000.npz": Payload.of(b"never stored")}
    with pytest.raises(ArtifactError, match="a payload is missing"):
        publish_bundle(tmp_path, "search", manifest, missing)


def test_an_interrupted_publisher_has_published_nothing(tmp_path: Path) -> None:
    manifest, files = learned_bundle()
    version = publish_bundle(tmp_path, "search", manifest, files)
    folder = tmp_path / "search" / version
    (folder / "manifest.json").unlink()
    (folder / "ranker.ubj").unlink()
    (folder / ".ranker.ubj.0123.tmp").write_bytes(files["ranker.ubj"][:100])
    assert versions(tmp_path, "search") == []
    assert not is_published(tmp_path, "search", version)
    with pytest.raises(ArtifactError, match="no such version"):
        move_pointer(tmp_path, "search", version)
    assert publish_bundle(tmp_path, "search", manifest, files) == version
    assert read_bundle(tmp_path, "search", version)[1] == files


@pytest.mark.parametrize("name", ["manifest.json", "bandit.vw", "ranker.ubj", "history.json", "memory-001.npz"])
def test_one_corrupted_byte_is_refused(tmp_path: Path, name: str) -> None:
    manifest, files = learned_bundle()
    version = publish_bundle(tmp_path, "search", manifest, files)
    path = tmp_path / "search" / version / name
    data = bytearray(path.read_bytes())
    # In the manifest: a digit of the first hash; anywhere else: the middle.
    place = data.index(b'"sha256": "') + 12 if name == "manifest.json" else len(data) // 2
    data[place] ^= 0x01
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=r"altered|not what its manifest says|not a manifest"):
        read_bundle(tmp_path, "search", version)
    with pytest.raises(ArtifactError):
        publish_bundle(tmp_path, "search", manifest, files)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    manifest, files = learned_bundle()
    version = publish_bundle(tmp_path, "search", manifest, files)
    (tmp_path / "search" / version / "bandit.vw").unlink()
    with pytest.raises(ArtifactError, match="a file of a bundle is missing"):
        read_bundle(tmp_path, "search", version)


def test_a_reader_knows_which_formats_it_reads() -> None:
    manifest, _ = learned_bundle()
    described = json.loads(manifest.to_bytes())
    later = {**described, "format": FORMAT + 1, "minimum_reader": FORMAT, "a_field_of_another_format": True}
    assert Manifest.of_bytes(json.dumps(later).encode(), manifest.version).format == FORMAT + 1
    for unreadable in ({"format": FORMAT + 1, "minimum_reader": FORMAT + 1}, {"format": FORMAT - 2}):
        with pytest.raises(ArtifactError, match="another format"):
            Manifest.of_bytes(json.dumps({**described, **unreadable}).encode(), manifest.version)


def test_features_that_this_code_does_not_compute_are_refused() -> None:
    manifest, _ = learned_bundle()
    described = json.loads(manifest.to_bytes())
    described["settings"]["action_features"][0]["name"] = "worth"
    with pytest.raises(ArtifactError, match="features are not those"):
        Manifest.of_bytes(json.dumps(described).encode(), manifest.version)


@pytest.mark.parametrize("junk", [b"", b"[]", b"{}", b"\xff\xfe", b'{"format": 1, "minimum_reader": "x"}'])
def test_other_bytes_are_not_a_manifest(junk: bytes) -> None:
    with pytest.raises(ArtifactError, match="not a manifest"):
        Manifest.of_bytes(junk, "2026-03-02-000000000000")


def test_settings_that_cannot_be_served_are_refused() -> None:
    for wrong in ({"decide": "draw"}, {"observe": "everything"}, {"name": "../x"}):
        with pytest.raises(ConfigError):
            PolicySettings(**{"name": "search", "strategies": ("title", "memory"), **wrong})


def test_the_pointer_is_a_history(root: str) -> None:
    with pytest.raises(NotReadyError, match="ltrr policies init"):
        current(root, "search")
    first = publish_bundle(root, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    second = publish_bundle(root, "search", *learned_bundle())
    assert move_pointer(root, "search", first, why="init") == 1
    assert move_pointer(root, "search", second) == 2
    assert move_pointer(root, "search", second) == 2
    assert move_pointer(root, "search", first, why="rollback") == 3
    assert current(root, "search") == first
    assert [(move.sequence, move.version, move.why) for move in pointers(root, "search")] == [
        (1, first, "init"),
        (2, second, ""),
        (3, first, "rollback"),
    ]


def test_ten_sequences_are_in_numeric_order(tmp_path: Path) -> None:
    pair = [
        publish_bundle(tmp_path, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1))),
        publish_bundle(tmp_path, "search", *learned_bundle()),
    ]
    assert [move_pointer(tmp_path, "search", pair[n % 2]) for n in range(12)] == list(range(1, 13))
    assert current(tmp_path, "search") == pair[1]


def test_four_writers_race_and_each_sequence_has_one_winner(root: str) -> None:
    manifest, files = learned_bundle()
    raced = [
        publish_bundle(root, "search", replace(manifest, as_of_date=date(2026, 3, day)), files) for day in range(3, 7)
    ]
    for race in range(5):
        start = threading.Barrier(4)
        got: dict[str, int] = {}

        def move(version: str, start: threading.Barrier = start, got: dict[str, int] = got) -> None:
            start.wait()
            got[version] = move_pointer(root, "search", version)

        threads = [threading.Thread(target=move, args=(version,)) for version in raced]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        moves = {move.sequence: move.version for move in pointers(root, "search")}
        assert len(set(got.values())) == 4
        assert all(moves[sequence] == version for version, sequence in got.items())
        assert sorted(moves) == list(range(1, len(moves) + 1))
        assert len(moves) <= 4 * (race + 1)


def test_a_bundle_can_be_copied_elsewhere(tmp_path: Path) -> None:
    """Hard links only save space: a copied folder is complete."""
    manifest, files = learned_bundle()
    stored = {name: put_payload(tmp_path / "a" / "search", data) for name, data in files.items()}
    version = publish_bundle(tmp_path / "a", "search", manifest, stored)
    shutil.copytree(tmp_path / "a" / "search" / version, tmp_path / "b" / "search" / version)
    shutil.rmtree(tmp_path / "a")
    assert read_bundle(tmp_path / "b", "search", version)[1] == files
    assert not any(file.suffix == ".tmp" for file in (tmp_path / "b" / "search" / version).iterdir())


@pytest.mark.parametrize("name", ["../../outside.txt", "/etc/hostname", "notes.txt", "memory-../x.npz", "bandit.vw\n"])
def test_no_file_of_a_bundle_lies_outside_of_it(root: str, name: str) -> None:
    """It is not written, and not read if an altered manifest names it."""
    manifest, files = uniform_bundle(SETTINGS, date(2026, 3, 1))
    Store(root).create("outside.txt", b"of another team")
    with pytest.raises(ArtifactError, match="cannot hold this file"):
        publish_bundle(root, "search", manifest, {**files, name: b"x"})
    version = publish_bundle(root, "search", manifest, files)
    forged = json.loads(read_manifest(root, "search", version).to_bytes())
    forged["files"][name] = {"sha256": Payload.of(b"of another team").sha256, "size": 15}
    with pytest.raises(ArtifactError, match="cannot hold this file"):
        Manifest.of_bytes(json.dumps(forged).encode(), version)
    with pytest.raises(ArtifactError, match="leads out of its store"):
        Store(f"{root}/search").read("../outside.txt")


@pytest.mark.parametrize(
    "version", ["../search/x", "2026-03-01-d8b9272b0d9f/..", "", "current", "2026-03-01-D8B9272B0D9F"]
)
def test_a_text_that_is_no_version_is_not_read(root: str, version: str) -> None:
    publish_bundle(root, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    assert not is_published(root, "search", version)
    with pytest.raises(ArtifactError, match="no such version"):
        read_manifest(root, "search", version)
