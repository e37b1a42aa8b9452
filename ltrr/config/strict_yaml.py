"""Frozen dataclasses from YAML: an unknown key or a wrong type is an error with key and file."""

import dataclasses
import types
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ltrr.errors import ConfigError

S = TypeVar("S")


def read_yaml(file: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file gives an empty mapping.

    Raises:
        ConfigError: The file is missing, is not valid YAML, or does not contain a mapping.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError(
            "the settings file cannot be read", which=str(file), got=fault.strerror or str(fault)
        ) from fault
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        said = " ".join(str(fault).split())
        raise ConfigError(
            "the settings file is not valid YAML", which=str(file), got=said, todo="correct the file"
        ) from fault
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(
            "the settings file is not a mapping", which=str(file), expected="key: value", got=repr(found)[:80]
        )
    return found


def check_layer(cls: type, layer: Mapping[str, Any], source: str, path: str = "") -> None:
    """Check that every key of a partial mapping belongs to `cls` and that every value has its type.

    Raises:
        ConfigError: A key or value is wrong. The message names the first one, what is allowed
            there, and the source.
    """
    kinds = _kinds(cls)
    for key, value in layer.items():
        name = f"{path}{key}"
        if key not in kinds:
            allowed = ", ".join(kinds)
            raise ConfigError(
                "unknown setting", which=source, expected=f"one of {allowed}", got=name, todo="correct the spelling"
            )
        if _is_settings(kinds[key]):
            if value is None:
                continue  # All lines of the section are commented out.
            if not isinstance(value, Mapping):
                raise _wrong_type(source, name, f"settings {', '.join(_kinds(kinds[key]))}", value)
            check_layer(kinds[key], value, source, f"{name}.")
        else:
            _build_value(kinds[key], value, source, name)


def merge_layers(cls: type, layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge layers setting by setting; later layers override earlier ones.

    A list, or a mapping with free keys, is replaced as a whole.

    >>> from ltrr.logs.settings import LogSettings
    >>> merge_layers(LogSettings, [{"late_days": 3, "volume_days": 2}, {"late_days": 5}])
    {'late_days': 5, 'volume_days': 2}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            kind = _kinds(cls)[key]
            nested = _is_settings(kind)
            merged[key] = merge_layers(kind, [merged.get(key, {}), value or {}]) if nested else value
    return merged


def build(cls: type[S], given: Mapping[str, Any], source: str, path: str = "") -> S:
    """Build an instance of the dataclass `cls`; settings that are not given keep their defaults.

    Raises:
        ConfigError: A required setting is missing, or `cls` refuses a value.
    """
    kinds = _kinds(cls)
    required = [name for name, field in _fields(cls).items() if _is_required(field)]
    missing = [f"{path}{name}" for name in required if name not in given]
    if missing:
        raise ConfigError("a setting is missing", which=", ".join(missing), todo=f"set it in {source}")
    return cls(**{key: _build_value(kinds[key], value, source, f"{path}{key}") for key, value in given.items()})


def _is_settings(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def _fields(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _kinds(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {name: hints[name] for name in _fields(cls)}


def _build_value(kind: Any, value: Any, source: str, name: str) -> Any:
    if _is_settings(kind):
        if not isinstance(value, Mapping):
            raise _wrong_type(source, name, f"settings {', '.join(_kinds(kind))}", value)
        check_layer(kind, value, source, f"{name}.")
        return build(kind, value, source, f"{name}.")
    arguments = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType) and value is None and type(None) in arguments:
        return None
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_build_value(arguments[0], item, source, f"{name}[{place}]") for place, item in enumerate(value))
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        return {key: _build_value(arguments[1], item, source, f"{name}.{key}") for key, item in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(value)
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as fault:
        raise _wrong_type(source, name, fault.errors()[0]["msg"].removeprefix("Input should be "), value) from fault


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Strict: the text "3" is no number, and a boolean is no count.
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def _wrong_type(source: str, name: str, expected: str, value: Any) -> ConfigError:
    return ConfigError("a setting has the wrong type", which=f"{source}: {name}", expected=expected, got=repr(value))
