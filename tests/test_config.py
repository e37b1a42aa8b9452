"""Settings: strict checks, layers, and the page of all settings."""

import dataclasses
from datetime import date
from pathlib import Path

import pytest
import yaml

from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import PathSettings, load_section, load_settings, write_home_file
from ltrr.config.reference import render_reference
from ltrr.config.settings import Settings
from ltrr.config.strict_yaml import check_layer
from ltrr.errors import ConfigError

CONF = Path(__file__).parents[1] / "conf"
HOME_SETTINGS = {"history_starts": date(2026, 3, 1), "policy": {"name": "toy", "strategies": ["a", "b"]}}


@pytest.fixture
def configured_home(home):
    """A home with a settings file of its own."""
    write_home_file(home, HOME_SETTINGS)
    return home


def config(folder, text):
    file = folder / "mine.yaml"
    file.write_text(text)
    return file


def test_the_later_layer_wins_setting_by_setting(configured_home, tmp_path):
    file = config(tmp_path, "policy: {budget: 3, block_size: 5}\nlogs: {late_days: 9}")
    settings = load_settings(configured_home, file, ["policy.budget=2"])
    assert settings.policy.strategies == ("a", "b"), "of ltrr.yaml in the home"
    assert (settings.policy.block_size, settings.logs.late_days) == (5, 9), "of --config"
    assert settings.policy.budget == 2, "of --set"
    assert settings.logs.quarantine_days == 30, "the default of the package that declares it"
    assert settings.first_date == date(2026, 3, 1)


def test_paths_are_folders_of_the_home_by_default(configured_home, tmp_path):
    paths = load_settings(configured_home, config(tmp_path, "paths: {logs: /var/log/search}")).paths
    assert (paths.tables, paths.policies, paths.logs) == (
        f"{configured_home}/tables",
        f"{configured_home}/policies",
        "/var/log/search",
    )


def test_the_home_may_be_named_in_the_file_and_its_own_file_counts(configured_home, tmp_path):
    file = config(tmp_path, f"paths: {{home: {configured_home}}}")
    assert load_settings(None, file).policy.name == "toy"
    assert load_section(PathSettings, None, file).home == configured_home


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgte: 3", r"unknown setting: .*mine\.yaml: expected one of .*history_starts.*, got budgte"),
        ("policy: {budgte: 3}", r"mine\.yaml: expected one of .*budget.*, got policy\.budgte"),
        ("policy: {exploration: {temprature: 1}}", r"got policy\.exploration\.temprature"),
        (
            "logs: {kinds: {click: {window: 3}}}",
            r"expected one of window_minutes, worth, shows, got logs\.kinds\.click\.window",
        ),
        ("logs: {late_days: '9'}", r"mine\.yaml: logs\.late_days: expected a valid integer, got '9'"),
        ("logs: {late_days: 9.5}", r"logs\.late_days: expected a valid integer, got 9\.5"),
        ("logs: {late_days: yes}", r"logs\.late_days: expected a valid integer, got True"),
        ("history_starts: soon", r"history_starts: expected a valid date, got 'soon'"),
        ("policy: {strategies: a}", r"policy\.strategies: expected a valid tuple, got 'a'"),
        ("logs: 3", r"logs: expected settings kinds, actions, formats, service_paths"),
        ("logs: {late_days: -1}", r"logs.late_days: expected >= 1"),
        ("policy: {observe: everything}", r"everything"),
        ("- a", r"not a mapping"),
        ("a: [", r"not valid YAML"),
    ],
)
def test_a_mistake_is_one_error_that_names_it(configured_home, tmp_path, text, said):
    with pytest.raises(ConfigError, match=said) as raised:
        load_settings(configured_home, config(tmp_path, text))
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


def test_a_mistake_in_the_homes_own_file_names_that_file(home):
    (home / "ltrr.yaml").write_text("policy: {name: toy, strategies: [a], colour: red}")
    with pytest.raises(ConfigError, match=r"ltrr\.yaml: expected .*, got policy\.colour"):
        load_settings(home)
    with pytest.raises(ConfigError, match=r"got policy\.colour"):
        load_section(PathSettings, home)


def test_a_missing_setting_without_default_is_named(home, configured_home):
    bare = home / "bare"
    bare.mkdir()
    with pytest.raises(ConfigError, match=r"policy.*`ltrr policies init`"):
        load_settings(bare)
    with pytest.raises(ConfigError, match="--set history_starts=DATE"):
        _ = load_settings(bare, None, ["policy={name: toy, strategies: [a, b]}"]).first_date
    with pytest.raises(ConfigError, match=r"missing: policy\.strategies"):
        load_settings(bare, None, ["policy.name=toy"])


def test_a_missing_file_and_a_change_without_value_are_named(configured_home, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: got No such file"):
        load_settings(configured_home, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"expected section\.name=value, got budget"):
        load_settings(configured_home, None, ["budget"])


def test_the_digest_follows_what_can_change_a_result_and_nothing_else(configured_home, tmp_path):
    usual = load_settings(configured_home).digest()
    assert (
        load_settings(configured_home, None, ["spark.shuffle_partitions=7", "tracking.experiment=x"]).digest() == usual
    )
    assert load_settings(configured_home, None, [f"paths.tables={tmp_path}"]).digest() == usual
    assert load_settings(configured_home, None, ["logs.late_days=9"]).digest() != usual


def test_a_home_that_changes_nothing_keeps_its_digest_after_an_update():
    """The digest is that of ltrr before `policy.ranker_groups`, so reruns write nothing new."""
    policy = PolicySettings("search", ("title", "memory"), query_key_version=1)
    settings = Settings(policy=policy, history_starts=date(2026, 3, 2), paths=PathSettings(home=Path("home")))
    assert settings.digest() == "7f26043352a12d58"
    other = dataclasses.replace(settings, policy=dataclasses.replace(policy, ranker_groups=("listings",)))
    assert other.digest() != settings.digest()
    newer = dataclasses.replace(settings, policy=dataclasses.replace(policy, query_key_version=2))
    assert newer.digest() != settings.digest()


def test_a_home_file_that_could_not_be_read_back_is_not_written(home):
    with pytest.raises(ConfigError, match=r"policy\.colour"):
        write_home_file(home, {"policy": {"colour": "red"}})
    assert not (home / "ltrr.yaml").exists()


def test_the_page_of_all_settings_is_current():
    assert (CONF / "base.yaml").read_text(encoding="utf-8") == render_reference(), (
        "run `python -m ltrr.config.reference > conf/base.yaml`"
    )


def test_the_page_of_all_settings_can_be_read_with_every_line_taken_in():
    taken_in = [
        line.replace("  #", "  ", 1) if line.startswith("  #") and not line.startswith("  # ") else line
        for line in render_reference().splitlines()
    ]
    layer = yaml.safe_load("\n".join(taken_in))
    check_layer(Settings, layer, "base.yaml")
    assert layer["logs"]["late_days"] == 7
    assert {"paths", "logs", "bandit", "ranker", "gate", "spark", "tracking"} <= set(layer)


def test_every_setting_of_the_page_has_a_meaning():
    lines = render_reference().splitlines()
    settings = [n for n, line in enumerate(lines) if line.lstrip().startswith("#") and not line.lstrip()[1:2].isspace()]
    assert len(settings) > 100
    assert [lines[n] for n in settings if not lines[n - 1].lstrip().startswith("# ")] == []


@pytest.mark.parametrize("name", ["base.yaml", "dev.yaml", "prod.yaml"])
def test_the_files_we_ship_can_be_read(configured_home, name):
    load_settings(configured_home, CONF / name)
