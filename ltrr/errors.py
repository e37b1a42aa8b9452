"""Errors of ltrr. Each says what is wrong, where, expected, got and what to do.

An error also has the exit code of the command: 0 done, 1 a fault, 2 a mistake of the user (never
retried), 3 not ready yet (retried later).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast


class LtrrError(Exception):
    """Any fault that ltrr raises on purpose.

    Args:
        message: What is wrong, in one sentence.
        which: Table, file, setting or option at fault.
        expected: Correct value.
        got: Value found.
        todo: What the reader should do.

    >>> print(ConfigError("unknown setting", which="base.yaml", expected="budget or block_size",
    ...                   got="budgte", todo="check the spelling"))
    unknown setting: base.yaml: expected budget or block_size, got budgte; check the spelling
    >>> print(ArtifactError("manifest is torn", which="manifest.json"))
    manifest is torn: manifest.json
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, which: str = "", expected: str = "", got: str = "", todo: str = "") -> None:
        self.message, self.which, self.expected, self.got, self.todo = message, which, expected, got, todo
        super().__init__(message, which, expected, got, todo)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep all parts when a worker process sends the error; by default keywords are lost."""
        return _rebuild, (type(self), self.message, self.which, self.expected, self.got, self.todo)

    def __str__(self) -> str:
        """One line: message: which: expected X, got Y; todo."""
        facts = ", ".join(
            part for part in (self.expected and f"expected {self.expected}", self.got and f"got {self.got}") if part
        )
        line = ": ".join(part for part in (self.message, self.which, facts) if part)
        line = f"{line}; {self.todo}" if self.todo else line
        return " ".join(line.split())


def _rebuild(kind: type[LtrrError], message: str, which: str, expected: str, got: str, todo: str) -> LtrrError:
    return kind(message, which=which, expected=expected, got=got, todo=todo)


class SchemaError(LtrrError):
    """A table or frame does not have the columns that the catalog declares."""


class ConfigError(LtrrError):
    """A setting is unknown, out of range, or contradicts another."""

    exit_code = 2


def check_ranges(section: str, settings: object, rules: Iterable[tuple[str, bool, str]]) -> None:
    """Check the values of a settings section; one error lists every value that is out of range.

    Args:
        section: Name of the section, as in the settings file; empty for arguments that are in no
            section.
        settings: The section's values, as attributes.
        rules: Name of a value (dots lead into mappings), whether it is in range, and the expected
            range as text.

    Raises:
        ConfigError: at least one value is out of range.

    >>> from types import SimpleNamespace
    >>> memory = SimpleNamespace(parts=0, keep_nights=-1)
    >>> check_ranges("memory", memory, [("parts", False, ">= 1")])
    Traceback (most recent call last):
    ltrr.errors.ConfigError: setting out of range: memory.parts: expected >= 1, got 0
    >>> check_ranges("memory", memory, [("parts", False, ">= 1"), ("keep_nights", False, ">= 1")])
    Traceback (most recent call last):
    ltrr.errors.ConfigError: settings out of range: memory.parts: expected >= 1, got 0; \
memory.keep_nights: expected >= 1, got -1
    """
    faults = [
        (f"{section}.{name}" if section else name, expected, repr(_value_of(settings, name)))
        for name, holds, expected in rules
        if not holds
    ]
    if len(faults) == 1:
        ((which, expected, got),) = faults
        raise ConfigError("setting out of range", which=which, expected=expected, got=got)
    if faults:
        listed = "; ".join(f"{which}: expected {expected}, got {got}" for which, expected, got in faults)
        raise ConfigError(f"settings out of range: {listed}")


def _value_of(settings: object, name: str) -> object:
    first, *rest = name.split(".")
    value: object = getattr(settings, first)
    for key in rest:
        value = cast("Mapping[str, object]", value)[key]
    return value


class UsageError(LtrrError):
    """A command or function got an argument that it cannot use."""

    exit_code = 2


class DataQualityError(LtrrError):
    """A night's data failed a check; `--accept-quality NAME:REASON` continues anyway."""


class SupportError(LtrrError):
    """The method does not support this case, such as an unlogged action or too many plans."""

    exit_code = 2


class ArtifactError(LtrrError):
    """A published file is missing, torn, altered, or in a format that this version cannot read."""


class NotReadyError(LtrrError):
    """Something does not exist yet, such as closed logs or a published policy: try again later."""

    exit_code = 3


class PointerMovedError(NotReadyError):
    """Another process or person moved the pointer since the decision: decide again."""


class CommitError(LtrrError):
    """Dates or jobs are not run in order; the message names what to run first."""

    exit_code = 2


class LeaseError(LtrrError):
    """Another live process holds the lease of this job."""

    exit_code = 3
