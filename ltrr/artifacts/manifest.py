"""The manifest of a bundle: its settings, features and origin, and the hash of every file.

The version is `<date>-<first 12 hex digits of a sha256>`. The sha256 is over the sorted names and
hashes of the files and the settings, features included. Run id, table versions, evaluation and
times are not part of it, so the same policy has the same version and is not published twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import ltrr
from ltrr.artifacts.declared_features import check_features
from ltrr.artifacts.history_part import PREFIX as HISTORY_PARTS
from ltrr.artifacts.learned_values import LearnedValues
from ltrr.artifacts.payloads import Payload
from ltrr.core.entity_groups import DEFAULT_RANKER_GROUPS, RANKER_GROUPS
from ltrr.core.exploration import ExplorationSettings
from ltrr.core.feature_groups import DEFAULT_GROUPS, GROUPS
from ltrr.core.features import Feature, action_features, shared_features
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import QUERY_KEY_VERSION, check_key_version
from ltrr.core.ranker_features import ranker_features
from ltrr.errors import ArtifactError, ConfigError, LtrrError, UsageError

FORMAT = 2
"""Format that this code writes. It reads `FORMAT - 1 .. FORMAT`, and later formats whose
`minimum_reader` allows it. Format 2 added learned values, the history of single queries and the
version of the query key, which a reader of format 1 would silently ignore. A bundle without any of
them states that a reader of format 1 may serve it."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}\Z")
_FILE = re.compile(
    r"(bandit\.vw|ranker\.ubj|history\.json|(block_value|unseen_value)-[0-9]+\.ubj|(history|memory)-[0-9]+\.npz)\Z"
)
"""Names that the files of a bundle may have: those that the loader reads. None contains a path."""


def is_policy_name(text: str) -> bool:
    """Whether a text is valid as the name of a policy and of its folder.

    >>> is_policy_name("search-2"), is_policy_name("../search")
    (True, False)
    """
    return bool(_NAME.match(text))


def is_version(text: str) -> bool:
    """Whether a text has the form of a version, `<date>-<12 hex>`.

    >>> is_version("2026-03-02-5b1f0c9e77aa"), is_version("../search/2026-03-02-5b1f0c9e77aa")
    (True, False)
    """
    return bool(_VERSION.match(text))


def check_version(version: str) -> None:
    """Check that a text has the form of a version, `<date>-<12 hex>`.

    Raises:
        UsageError: it has another form, so it could be a path to something else.
    """
    if not is_version(version):
        raise UsageError("not a version", which="version", expected="YYYY-MM-DD-<12 hex digits>", got=repr(version))


def check_file_names(names: Iterable[str]) -> None:
    """Check that a bundle may contain files of these names.

    Raises:
        ArtifactError: a name is not valid; it gives the first of them.
    """
    for name in names:
        if not _FILE.match(name):
            raise ArtifactError(
                "a bundle cannot hold this file",
                which=repr(name),
                expected="bandit.vw, ranker.ubj, history.json, block_value-N.ubj, unseen_value-N.ubj, history-N.npz "
                "or memory-N.npz",
                todo="serve another version, or publish again with the version of ltrr that knows the file",
            )


@dataclass(frozen=True)
class PolicySettings:
    """What a policy decides and what it may see.

    The groups of features are kept in the order of their registries, so the same groups are the
    same policy.

    Args:
        name: Name of the policy and of its folder in the policies' root.
        strategies: Names in the order of every array [.., S, ..].
        block_size: Number of candidates in one block.
        budget: Number of blocks in one plan.
        decide: `plan`: a decision chooses a whole plan.
        observe: Blocks that are fetched before choosing: `blind` | `first_look` | `all_blocks`.
        exploration: Settings of exploration.
        features: Groups of shared features, `core.feature_groups.GROUPS`.
        ranker_groups: Groups of the ranker's features, `core.entity_groups.RANKER_GROUPS`.
        query_key_version: Version of the query key (docs/concepts/query-keys.md). A home keeps the
            version of its first night.

    Raises:
        ConfigError: a name or value is not valid.
        SupportError: there are too many plans to enumerate.
    """

    name: str
    strategies: tuple[str, ...]
    block_size: int = 2
    budget: int = 4
    decide: str = "plan"
    observe: str = "first_look"
    exploration: ExplorationSettings = field(default_factory=ExplorationSettings)
    features: tuple[str, ...] = DEFAULT_GROUPS
    ranker_groups: tuple[str, ...] = DEFAULT_RANKER_GROUPS
    query_key_version: int = QUERY_KEY_VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategies", tuple(self.strategies))
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "ranker_groups", tuple(self.ranker_groups))
        if not is_policy_name(self.name):
            raise ConfigError(
                "invalid name",
                which="policy.name",
                expected="lower-case letters, digits, _ and -",
                got=repr(self.name),
            )
        if self.decide != "plan":
            raise ConfigError(
                "unknown value of a setting", which="policy.decide", expected="plan", got=repr(self.decide)
            )
        check_key_version(self.query_key_version)
        shared_features(self.space, self.observe, self.features)
        ranker_features(self.space, self.ranker_groups)
        object.__setattr__(self, "features", tuple(group for group in GROUPS if group in self.features))
        object.__setattr__(
            self, "ranker_groups", tuple(group for group in RANKER_GROUPS if group in self.ranker_groups)
        )

    @cached_property
    def space(self) -> PlanSpace:
        """All plans of this policy."""
        return PlanSpace(self.strategies, self.block_size, self.budget)

    @property
    def shared_features(self) -> tuple[Feature, ...]:
        """Features of a decision, in the order of `shared` in a decision record."""
        return shared_features(self.space, self.observe, self.features)

    @property
    def action_features(self) -> tuple[Feature, ...]:
        """Features of a plan, in the order of a shortlist entry's `features` in a record."""
        return action_features()

    @property
    def ranker_features(self) -> tuple[Feature, ...]:
        """Features of an entity, in the order of a slate row's `features` in a record."""
        return ranker_features(self.space, self.ranker_groups)

    def to_json(self) -> dict[str, Any]:
        """The settings as a manifest contains them, with all features."""
        described = {key: value for key, value in vars(self).items() if key in _SETTINGS}
        described["strategies"] = list(self.strategies)
        described["exploration"] = self.exploration.to_json()
        # The defaults are left out, so that policies published before the settings existed keep
        # their versions.
        if self.features != DEFAULT_GROUPS:
            described["features"] = list(self.features)
        if self.ranker_groups != DEFAULT_RANKER_GROUPS:
            described["ranker_groups"] = list(self.ranker_groups)
        if self.query_key_version != _FIRST_KEY_VERSION:
            described["query_key_version"] = self.query_key_version
        for kind in ("shared_features", "action_features", "ranker_features"):
            described[kind] = [dict(vars(feature)) for feature in getattr(self, kind)]
        return described

    @staticmethod
    def of_json(described: Mapping[str, Any]) -> PolicySettings:
        """The settings from a manifest.

        Raises:
            ArtifactError: the features are not those that this version of ltrr computes.
        """
        plain = {key: described[key] for key in _SETTINGS}
        plain["exploration"] = ExplorationSettings(**described["exploration"])
        plain["features"] = described.get("features", DEFAULT_GROUPS)
        plain["ranker_groups"] = described.get("ranker_groups", DEFAULT_RANKER_GROUPS)
        plain["query_key_version"] = described.get("query_key_version", _FIRST_KEY_VERSION)
        settings = PolicySettings(**plain)
        check_features(described, settings.to_json(), ("shared_features", "action_features", "ranker_features"))
        return settings


# Version of a bundle that does not state one.
_FIRST_KEY_VERSION = 1

_SETTINGS = ("name", "strategies", "block_size", "budget", "decide", "observe", "exploration")


@dataclass(frozen=True)
class Manifest:
    """A bundle's manifest. Its version depends on `settings`, `values`, `as_of_date` and `files`.

    Args:
        settings: Settings of the policy.
        as_of_date: Night that made the bundle.
        files: Name -> hash and size of every other file of the bundle.
        values: Settings of its learned values; None if it values plans by hit rates.
        data_window: `first` and `last` log_date learned from; empty if it learned nothing.
        table_versions: Table -> Delta version that was read.
        run_id: MLflow run; empty without one.
        ope: Figures and verdict of the evaluation.
        lineage: Other facts about the origin, such as where the bandit came from.
        created_at: Time, ISO 8601, UTC.
        ltrr_version: Version of ltrr that wrote it.
        format: Format of the manifest.
        shadow: Whether services show their own static page and only log what the policy would
            draw. It is part of the version, so a reader that does not know it refuses the bundle.

    Raises:
        ArtifactError: the name of a file is not valid.
    """

    settings: PolicySettings
    as_of_date: date
    files: Mapping[str, Payload] = field(default_factory=dict)
    values: LearnedValues | None = None
    data_window: Mapping[str, str] = field(default_factory=dict)
    table_versions: Mapping[str, int] = field(default_factory=dict)
    run_id: str = ""
    ope: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)
    created_at: str = ""
    ltrr_version: str = ltrr.__version__
    format: int = FORMAT
    shadow: bool = False

    def __post_init__(self) -> None:
        check_file_names(self.files)

    @property
    def minimum_reader(self) -> int:
        """The oldest format whose reader serves the bundle correctly."""
        has_new_files = self.values is not None or any(name.startswith(HISTORY_PARTS) for name in self.files)
        is_new = has_new_files or self.shadow or self.settings.query_key_version != _FIRST_KEY_VERSION
        return FORMAT if is_new else FORMAT - 1

    @property
    def version(self) -> str:
        """`<date>-<12 hex>`.

        >>> settings = PolicySettings("search", ("title", "memory"))
        >>> one = Manifest(settings, date(2026, 3, 2), created_at="now")
        >>> one.version == replace(one, created_at="later", run_id="another").version
        True
        >>> one.version == one.with_files({"bandit.vw": Payload.of(b"model")}).version
        False
        """
        identity: dict[str, Any] = {
            "files": sorted([name, payload.sha256] for name, payload in self.files.items()),
            "settings": self.settings.to_json(),
        }
        if self.values is not None:
            identity["values"] = self.values.to_json(self.settings.space)
        if self.shadow:
            identity["shadow"] = True
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return f"{self.as_of_date.isoformat()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def with_files(self, files: Mapping[str, Payload]) -> Manifest:
        """The same manifest with these files."""
        return replace(self, files=dict(files))

    def to_bytes(self) -> bytes:
        """The manifest file: JSON with sorted keys, so equal manifests give equal bytes."""
        described = {key: getattr(self, key) for key in _PLAIN}
        described["as_of_date"] = self.as_of_date.isoformat()
        described["minimum_reader"] = self.minimum_reader
        described["settings"] = self.settings.to_json()
        described["values"] = None if self.values is None else self.values.to_json(self.settings.space)
        described["files"] = {name: {"sha256": file.sha256, "size": file.size} for name, file in self.files.items()}
        described["version"] = self.version
        if self.shadow:
            described["shadow"] = True
        return (json.dumps(described, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()

    @staticmethod
    def of_bytes(data: bytes, version: str) -> Manifest:
        """Read a manifest and check that it has this version.

        Unknown keys are ignored: a later format may add keys that an old reader does not need.

        Raises:
            ArtifactError: the bytes are not a manifest, the format cannot be read, or the manifest
                was altered.
        """
        which = f"{version}/manifest.json"
        try:
            described = json.loads(data)
            written, minimum = described["format"], described["minimum_reader"]
            if minimum > FORMAT or written < FORMAT - 1:
                raise ArtifactError(
                    "a bundle of another format",
                    which=which,
                    expected=f"format {FORMAT - 1} or {FORMAT}",
                    got=f"format {written}, for readers of format {minimum} or later",
                    todo="serve it with another version of ltrr",
                )
            settings, values = PolicySettings.of_json(described["settings"]), described.get("values")
            manifest = Manifest(
                settings=settings,
                values=None if values is None else LearnedValues.of_json(values, settings.space),
                as_of_date=date.fromisoformat(described["as_of_date"]),
                files={name: Payload(file["sha256"], file["size"]) for name, file in described["files"].items()},
                **{key: described[key] for key in _PLAIN},
                shadow=described.get("shadow", False),
            )
        except ArtifactError:
            raise
        except (LtrrError, ValueError, KeyError, TypeError, AttributeError) as fault:
            raise ArtifactError(
                "not a manifest", which=which, got=f"{type(fault).__name__}: {fault}", todo="roll back or publish again"
            ) from fault
        if manifest.version != version:
            raise ArtifactError(
                "a manifest was altered", which=which, expected=version, got=manifest.version, todo="publish again"
            )
        return manifest


_PLAIN = (
    "data_window",
    "table_versions",
    "run_id",
    "ope",
    "lineage",
    "created_at",
    "ltrr_version",
    "format",
)
