"""Settings of a command: composes the settings that each package declares, from YAML and options.

Later layers override earlier ones: the defaults that the packages declare; `ltrr.yaml` in the home
(facts about the home: policy, strategies, first date); the file of `--config`; `--set` and other
options. `conf/base.yaml` is a page for people that repeats the defaults (`ltrr.config.reference`);
no command reads it.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from ltrr.artifacts.manifest import PolicySettings
from ltrr.bandit.settings import BanditSettings
from ltrr.bandit.values import ValueSettings
from ltrr.clicks.settings import ClickSettings
from ltrr.config.strict_yaml import build, check_layer, merge_layers, read_yaml
from ltrr.core.entity_groups import DEFAULT_RANKER_GROUPS
from ltrr.errors import ConfigError
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.logs.settings import LogSettings
from ltrr.memory.settings import MemorySettings
from ltrr.publishing.settings import GateSettings
from ltrr.ranking.settings import RankerSettings
from ltrr.shadow.settings import ShadowSettings
from ltrr.spark.retention import NightSettings
from ltrr.spark.session import SparkSettings
from ltrr.strategies.settings import HistorySettings
from ltrr.tracking.settings import TrackingSettings
from ltrr.users.settings import UserSettings

S = TypeVar("S")

HOME_FILE = "ltrr.yaml"

# These sections say where a night runs and reports. They do not change its results.
_NOT_DIGESTED = ("paths", "nights", "spark", "tracking", "shadow")


@dataclass(frozen=True)
class PathSettings:
    """Paths. An empty path stands for the folder of the same name in the home.

    Attributes:
        home: Home folder of ltrr, on a local disk or NFS. It contains the lease (lock) of the home
            and, by default, all folders below.
        tables: Folder of the Delta tables, on a local disk or NFS. It contains the lease (lock) of
            the tables.
        policies: Folder of payloads, bundles and pointers: a path, or the URL of any fsspec file
            system with an exclusive create.
        logs: Folder of decision records and events, with one folder per date: a path, or a URL that
            Spark reads.
        quarantine: Folder of rejected lines, with one folder per expiry date: a path, or a URL that
            Spark writes.
    """

    home: Path = Path("home")
    tables: str = ""
    policies: str = ""
    logs: str = ""
    quarantine: str = ""

    def __post_init__(self) -> None:
        """Replace empty paths by folders in the home.

        >>> PathSettings(home="s3://bucket/home")
        Traceback (most recent call last):
        ltrr.errors.ConfigError: the home is not a folder on a disk: paths.home:
        expected a path such as /data/ltrr, got s3://bucket/home;
        keep the home on a disk;
        policies, logs and quarantine may be URLs: paths.policies, paths.logs

        Raises:
            ConfigError: The home is a URL.
        """
        # A URL that has passed through `Path` has lost one of its slashes.
        url = re.match(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", str(self.home))
        if url:
            is_file = url["scheme"].lower() == "file"
            raise ConfigError(
                "the home is not a folder on a disk",
                which="paths.home",
                expected="a path such as /data/ltrr",
                got=f"{url['scheme']}:{'///' if is_file else '//'}{url['rest']}",
                todo=f"write /{url['rest']}"
                if is_file
                else "keep the home on a disk; policies, logs and quarantine may be URLs: paths.policies, paths.logs",
            )
        home = Path(self.home).absolute()
        object.__setattr__(self, "home", home)
        for name in ("tables", "policies", "logs", "quarantine"):
            object.__setattr__(self, name, getattr(self, name) or str(home / name))


def _no_policy() -> PolicySettings:
    raise ConfigError(
        "there is no policy yet",
        which="policy.strategies",
        todo=f"run `ltrr policies init`, which writes it to {HOME_FILE} in the home, or set it in the file of --config",
    )


@dataclass(frozen=True)
class Settings:
    """All settings of a night.

    Attributes:
        history_starts: First date with logs. No earlier date is read.
        first_night: First logical date of the nights, if it is later than `history_starts`. The
            first night takes the logs of all dates up to its own as one history.
        catalogue: Version of the catalogue of entities that nights and reports read, as `ltrr
            entities` prints it; empty without a catalogue.
        policy: Plan space, observation and exploration of the policy.
    """

    policy: PolicySettings = field(default_factory=_no_policy)
    history_starts: date | None = None
    first_night: date | None = None
    catalogue: str = ""
    paths: PathSettings = field(default_factory=PathSettings)
    nights: NightSettings = field(default_factory=NightSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    users: UserSettings = field(default_factory=UserSettings)
    clicks: ClickSettings = field(default_factory=ClickSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    values: ValueSettings = field(default_factory=ValueSettings)
    bandit: BanditSettings = field(default_factory=BanditSettings)
    ranker: RankerSettings = field(default_factory=RankerSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    shadow: ShadowSettings = field(default_factory=ShadowSettings)
    spark: SparkSettings = field(default_factory=SparkSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)

    @property
    def first_date(self) -> date:
        """The first logical date.

        Raises:
            ConfigError: `history_starts` is not set.
        """
        if self.history_starts is None:
            raise ConfigError(
                "`history_starts` is not set",
                which="history_starts",
                expected="the first date with logs",
                todo=f"set it in {HOME_FILE} of the home, in the file of --config, or with --set history_starts=DATE",
            )
        return self.history_starts

    @property
    def first_night_date(self) -> date:
        """The logical date of the first night; no night comes before it.

        Raises:
            ConfigError: `history_starts` is not set, or is later than `first_night`.
        """
        first = self.first_night or self.first_date
        if first < self.first_date:
            raise ConfigError(
                "the first night is before the first date with logs",
                which="first_night",
                expected=f"{self.first_date} or later (history_starts)",
                got=str(first),
            )
        return first

    def digest(self) -> str:
        """16 hex digits of a hash of all settings that can change a result.

        The sections that say where a night runs and reports do not enter it.
        """
        given = {name: value for name, value in dataclasses.asdict(self).items() if name not in _NOT_DIGESTED}
        # A setting that is newer than the first homes counts only if it is changed. Otherwise every
        # rerun after an update would write its tables again.
        if self.policy.ranker_groups == DEFAULT_RANKER_GROUPS:
            del given["policy"]["ranker_groups"]
        if self.first_night is None:
            del given["first_night"]
        if not self.catalogue:
            del given["catalogue"]
        given["logs"] = self.logs.digested(given["logs"])
        given["users"] = self.users.digested(given["users"])
        if self.policy.query_key_version == 1:
            del given["policy"]["query_key_version"]
        return hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()[:16]


def load_settings(
    home: Path | None = None, config: Path | None = None, changes: Sequence[str] = (), **more: Any
) -> Settings:
    """Compose the settings of a command.

    Args:
        home: Folder of `--home`. None: the home of the `--config` file, else `home` in the working
            directory.
        config: File of `--config`.
        changes: Values of `--set`, each `section.name=value` with a YAML value.
        more: Top-level settings that override all layers, for callers in Python.

    Raises:
        ConfigError: A file or change cannot be read, names an unknown setting, or has a wrong type
            or value.
    """
    merged, source = _merged(home, config, changes)
    return dataclasses.replace(build(Settings, merged, source), **more)


def load_section(
    section: type[S], home: Path | None = None, config: Path | None = None, changes: Sequence[str] = ()
) -> S:
    """Load one section of the settings, for commands that need no policy.

    Example: `load_section(PathSettings, home)`.

    Raises:
        ConfigError: As for `load_settings`, and for mistakes in any section, so that a command
            during the day finds them before the night.
    """
    merged, source = _merged(home, config, changes)
    name = next(name for name, kind in get_type_hints(Settings).items() if kind is section)
    return build(section, merged.get(name, {}), source, f"{name}.")


def _merged(home: Path | None, config: Path | None, changes: Sequence[str]) -> tuple[dict[str, Any], str]:
    given = [(str(config), read_yaml(config))] if config else []
    given += [(f"--set {change}", parse_change(change)) for change in changes]
    if home is not None:
        given.append(("--home", {"paths": {"home": str(home)}}))
    for source, layer in given:
        check_layer(Settings, layer, source)
    # The path of the home decides which ltrr.yaml the given layers override.
    paths = merge_layers(Settings, (layer for _, layer in given)).get("paths", {})
    own = build(PathSettings, paths, "--home").home / HOME_FILE
    home_layer = read_yaml(own) if own.exists() else {}
    check_layer(Settings, home_layer, str(own))
    layers = [home_layer, *(layer for _, layer in given)]
    return merge_layers(Settings, layers), f"{own} or the file of --config"


def parse_change(change: str) -> dict[str, Any]:
    """Parse one `--set` into a mapping.

    >>> parse_change("spark.shuffle_partitions=4")
    {'spark': {'shuffle_partitions': 4}}

    Raises:
        ConfigError: There is no `=`, or the value is not valid YAML.
    """
    name, equals, text = change.partition("=")
    if not equals or not name:
        raise ConfigError("an option cannot be read", which="--set", expected="section.name=value", got=change)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise ConfigError("the value of an option is not valid YAML", which=f"--set {name}", got=text) from fault
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def home_layer(policy: PolicySettings, history_starts: date) -> dict[str, Any]:
    """Settings that a home's own file states, for `write_home_file`: first date and policy."""
    groups = policy.ranker_groups
    return {
        "history_starts": history_starts,
        "policy": {
            "name": policy.name,
            "strategies": list(policy.strategies),
            "block_size": policy.block_size,
            "budget": policy.budget,
            "decide": policy.decide,
            "observe": policy.observe,
            "features": list(policy.features),
            **({} if groups == DEFAULT_RANKER_GROUPS else {"ranker_groups": list(groups)}),
            "query_key_version": policy.query_key_version,
            "exploration": policy.exploration.to_json(),
        },
    }


def make_home(home: Path) -> None:
    """Create the folder of a home if it does not exist.

    Other users can reach `policies/` through it but cannot list it (mode 711).
    """
    if not home.exists():
        home.mkdir(parents=True)
        home.chmod(0o711)


def write_home_file(home: Path, given: Mapping[str, Any]) -> Path:
    """Write a home's own settings file, whole or not at all, after a check of its settings.

    Raises:
        ConfigError: A setting is unknown or has a wrong type.
    """
    file = home / HOME_FILE
    check_layer(Settings, given, str(file))
    make_home(home)
    part = file.with_suffix(".part")
    part.write_text(yaml.safe_dump(dict(given), sort_keys=False, allow_unicode=True), encoding="utf-8")
    part.replace(file)
    return file
