"""The columns of a log of decisions, and their conversion to the rows that are judged."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltrr.errors import UsageError
from ltrr.ope.named_columns import check_columns
from ltrr.ope.text_rows import PLACE
from ltrr.spark.hashing import HashUse, salted_hash

SKIPPED = "skipped"
"""Optional column of a log: the reason why a row is no decision, null for decisions.

Rows with a reason are counted and left out."""

SLOTS = "slots"
"""Optional column of a log: the slots of a decision that has several, else null."""

BUCKETS = 16
"""Number of indicators into which a text feature is hashed."""


@dataclass(frozen=True)
class LogColumns:
    """Meaning of the columns of a log; a row is one decision.

    Args:
        target_propensity: Probability of the action taken under the judged policy; or an array (or
            its JSON text) of the probabilities of all actions, which estimators with a reward model
            need.
        reward: Reward of the decision, higher is better.
        logging_propensity: Probability of the action taken under the logging policy.
        action: Position of the action taken in the arrays, from 0; needed with arrays.
        action_propensities: Probability of every action under the logging policy. Actions with
            probability 0 can never be in the log.
        features: Features known before the decision. Numbers are used unchanged and should be near
            unit scale; text is hashed.
        fold_by: Column (query, event) by which rows are assigned to folds of cross-fitting; the
            user by default. Rows with the same value are in one fold.
        user: The user, which is the cluster; without it each decision is a cluster.
        slices: Columns; each of their values becomes a slice.
        q_taken: Value of the action taken under your own reward model, fitted on other rows.
            Without it, a reward model is fitted if one is needed.
        q_target: That model's mean over the judged policy's actions, sum of P_target(a) q(a). Set
            both q_taken and q_target, or neither.
        others: Further columns to read.
        pdrop: Probability with which a decision like this one was dropped from the log, in [0, 1).
            A row then counts as 1 / (1 - pdrop) decisions.

    Raises:
        UsageError: One of q_taken and q_target is given without the other.
    """

    target_propensity: str
    reward: str = "reward"
    logging_propensity: str = "logging_propensity"
    action: str | None = None
    action_propensities: str | None = None
    features: tuple[str, ...] = ()
    fold_by: str | None = None
    user: str | None = None
    slices: tuple[str, ...] = ()
    q_taken: str | None = None
    q_target: str | None = None
    pdrop: str | None = None
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.q_taken is None) != (self.q_target is None):
            raise UsageError(
                "one of the two columns of a reward model is missing",
                expected="both q_taken and q_target, or neither",
                got="q_taken alone" if self.q_taken else "q_target alone",
            )

    @property
    def has_values(self) -> bool:
        """Whether the log contains the values of a reward model."""
        return self.q_taken is not None

    @property
    def fold_column(self) -> str | None:
        """The column by which rows are assigned to folds."""
        return self.fold_by or self.user

    def map_meanings(self) -> dict[str, str]:
        """Meaning -> column, for the columns that are set."""
        single = {
            "target_propensity": self.target_propensity,
            "reward": self.reward,
            "logging_propensity": self.logging_propensity,
            "action": self.action,
            "action_propensities": self.action_propensities,
            "fold_by": self.fold_by,
            "user": self.user,
            "q_taken": self.q_taken,
            "q_target": self.q_target,
            "pdrop": self.pdrop,
        }
        several = {f"features[{n}]": name for n, name in enumerate(self.features)}
        several |= {f"slices[{n}]": name for n, name in enumerate(self.slices)}
        several |= {f"others[{n}]": name for n, name in enumerate(self.others)}
        return {meaning: name for meaning, name in single.items() if name} | several


def find_features_alone(columns: LogColumns) -> list[str]:
    """Features that are no other column as well, so that they may be read as numbers."""
    named = columns.map_meanings()
    others = {name for meaning, name in named.items() if not meaning.startswith("features")}
    return [name for name in columns.features if name not in others]


def to_decision_rows(log: DataFrame, columns: LogColumns, folds: int) -> DataFrame:
    """Same rows with the columns that `read_batch` reads.

    Raises:
        UsageError: Columns are missing or of an unsupported type; all of them in one message.
    """
    types = check_columns(
        log,
        columns.map_meanings(),
        _is_readable,
        "numbers (or their text); arrays of numbers (or their JSON) for probabilities of all actions",
    )
    kind = types.get

    def number(name: str | None) -> Column:
        return _to_number(_column(name), kind(name)) if name else F.lit(None).cast("double")

    # Empty instead of null: at each row, Spark's Arrow writer goes back over all null lists.
    none = F.array().cast("array<double>")

    def probabilities(name: str | None) -> Column:
        if name is not None and isinstance(kind(name), T.ArrayType):
            return F.coalesce(_column(name).cast("array<double>"), none)
        if name is not None and isinstance(kind(name), T.StringType):
            return F.coalesce(_parse_array(_column(name)), none)
        return none

    def unread(name: str | None, *, may_be_array: bool = False, may_be_number: bool = True) -> Column | None:
        if name is None or not isinstance(kind(name), T.StringType):
            return None
        return _find_unread_text(_column(name), may_be_array=may_be_array, may_be_number=may_be_number)

    is_array = isinstance(kind(columns.target_propensity), T.ArrayType)
    features = [_feature(_column(name), kind(name)) for name in columns.features]
    slices = [
        F.concat(F.lit(f"{name}="), F.coalesce(_column(name).cast("string"), F.lit(""))) for name in columns.slices
    ]
    texts = {
        "reward": unread(columns.reward),
        "logging": unread(columns.logging_propensity),
        "target": unread(columns.target_propensity, may_be_array=True),
        "action": unread(columns.action),
        "loggings": unread(columns.action_propensities, may_be_array=True, may_be_number=False),
        "q_taken": unread(columns.q_taken),
        "q_target": unread(columns.q_target),
        "pdrop": unread(columns.pdrop),
    }
    return log.select(
        (_column(SKIPPED) if SKIPPED in types else F.lit(None)).cast("string").alias("skipped"),
        number(columns.reward).alias("reward"),
        number(columns.logging_propensity).alias("logging"),
        number(None if is_array else columns.target_propensity).alias("target"),
        probabilities(columns.target_propensity).alias("targets"),
        probabilities(columns.action_propensities).alias("loggings"),
        F.coalesce(number(columns.action), F.lit(-1.0)).alias("action"),
        (F.concat(*features) if features else none).alias("features"),
        _fold(columns.fold_column, folds).alias("fold"),
        (F.xxhash64(_column(columns.user).cast("string")) if columns.user else F.lit(0)).cast("bigint").alias("user"),
        (_column(columns.user).isNotNull() if columns.user else F.lit(True)).alias("has_user"),
        F.array(*slices).cast("array<string>").alias("slices"),
        (number(columns.q_taken) if columns.has_values else F.lit(0.0)).alias("q_taken"),
        (number(columns.q_target) if columns.has_values else F.lit(0.0)).alias("q_target"),
        *([number(columns.pdrop).alias("pdrop")] if columns.pdrop else []),
        *(text.alias(f"{meaning}_text") for meaning, text in texts.items() if text is not None),
        *([_column(PLACE).alias("place")] if PLACE in types else []),
        *([F.coalesce(F.size(SLOTS), F.lit(0)).alias("slots_filled")] if SLOTS in types else []),
    )


def _to_number(column: Column, kind: T.DataType | None) -> Column:
    """A column as doubles, null if it is no number; true is 1 and false is 0, also as text."""
    if not isinstance(kind, T.StringType):
        return column.try_cast("double")
    word = F.lower(F.trim(column))
    return F.when(word == "true", 1.0).when(word == "false", 0.0).otherwise(column.try_cast("double"))


def _parse_array(text: Column) -> Column:
    """Numbers of a JSON array, null if it has any other value."""
    numbers = F.from_json(F.when(F.ltrim(text).startswith("["), text), "array<double>")
    return F.when(~F.exists(numbers, F.isnull), numbers)


def _find_unread_text(text: Column, *, may_be_array: bool, may_be_number: bool) -> Column:
    """Text that is neither a finite number nor an array of numbers, as far as each may be."""
    number = F.abs(_to_number(text, T.StringType()))
    is_read = F.coalesce(number < float("inf"), F.lit(False)) if may_be_number else F.lit(False)
    if may_be_array:
        is_read |= _parse_array(text).isNotNull()
    return F.when(text.isNotNull() & ~is_read, text)


def _column(name: str) -> Column:
    return F.col(f"`{name}`")  # A name may contain dots.


def _fold(name: str | None, folds: int) -> Column:
    """Fold of cross-fitting by hash of a column; -1 without a column, or if it is null."""
    if not name:
        return F.lit(-1)
    place = salted_hash(HashUse.OPE_FOLD, _column(name).cast("string"))
    fold = F.when(_column(name).isNotNull(), F.pmod(place, F.lit(folds)))
    return F.coalesce(fold, F.lit(-1)).cast("int")


_NUMBERS = ("reward", "logging_propensity", "target_propensity", "action", "q_taken", "q_target", "pdrop")


def _is_readable(meaning: str, kind: T.DataType) -> bool:
    if meaning in ("action_propensities", "target_propensity") and isinstance(kind, T.ArrayType):
        return isinstance(kind.elementType, T.NumericType)
    if meaning == "action_propensities":
        return isinstance(kind, T.StringType)
    return isinstance(kind, T.NumericType | T.StringType | T.BooleanType) or (
        meaning not in _NUMBERS and isinstance(kind, T.AtomicType)
    )


def _feature(column: Column, kind: T.DataType | None) -> Column:
    if isinstance(kind, T.NumericType | T.BooleanType):
        return F.array(column.cast("double"))
    place = F.pmod(F.xxhash64(column.cast("string")), F.lit(BUCKETS))
    return F.transform(F.sequence(F.lit(0), F.lit(BUCKETS - 1)), lambda n: (place == n).cast("double"))
