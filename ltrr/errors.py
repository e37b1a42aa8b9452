"""The errors of ltrr: each says which, expected, got and what to do, and carries the exit code a command ends with.

Exit codes: 0 done, 1 a fault, 2 the user's mistake (never retried), 3 not ready yet (retried later).
"""

from __future__ import annotations

from typing import ClassVar


class LtrrError(Exception):
    """Any fault that ltrr raises on purpose.

    Args:
        message: what is wrong, in one sentence.
        which: the table, file, setting or option at fault.
        expected: what would have been right.
        got: what was found.
        todo: what the reader should do about it.

    >>> print(ConfigError("unknown setting", which="conf/base.yaml", expected="one of budget, block_size",
    ...                   got="budgte", todo="correct the spelling"))
    unknown setting: conf/base.yaml: expected one of budget, block_size, got budgte; correct the spelling
    >>> print(ArtifactError("manifest is torn", which="manifest.json"))
    manifest is torn: manifest.json
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, which: str = "", expected: str = "", got: str = "", todo: str = "") -> None:
        self.message, self.which, self.expected, self.got, self.todo = message, which, expected, got, todo
        super().__init__(message, which, expected, got, todo)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the error whole when a Spark or worker process sends it on (keyword arguments are lost by default)."""
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


class UsageError(LtrrError):
    """A command was given something that it cannot take."""

    exit_code = 2


class DataQualityError(LtrrError):
    """A night's data failed a check; `--accept-quality NAME:REASON` goes on."""


class SupportError(LtrrError):
    """The method does not cover this case: an unlogged action, too many plans, an estimator out of place."""

    exit_code = 2


class ArtifactError(LtrrError):
    """A published file is missing, torn, altered, or of a format that this version cannot read."""


class NotReadyError(LtrrError):
    """Something that will exist later does not exist yet: logs not closed, nothing published. Try again later."""

    exit_code = 3


class PointerMovedError(NotReadyError):
    """Somebody else moved the pointer between a decision and its execution: decide again."""


class CommitError(LtrrError):
    """The order of dates or jobs is broken; the message names what to run first."""

    exit_code = 2


class LeaseError(LtrrError):
    """Another live process holds the lease of this job."""

    exit_code = 3
