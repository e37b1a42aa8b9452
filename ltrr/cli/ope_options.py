"""Options of `ltrr ope`."""

from pathlib import Path
from typing import Annotated

import typer

from ltrr.estimation.estimators import ESTIMATORS
from ltrr.ope.formats import FORMATS

TargetPolicy = Annotated[
    list[str] | None,
    typer.Option(
        help="File with a policy to judge that depends on columns of the log alone: one row for each action, with "
        "the columns of the action and `probability`, and those it depends on. May be repeated."
    ),
]
ExportVw = Annotated[
    Path | None,
    typer.Option(help="File to write the log to as Vowpal Wabbit's text. No policy to judge is needed then."),
]
Log = Annotated[str, typer.Argument(help="File, folder or address of the log.")]
TargetPropensity = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of the policy to judge: its probability of the action taken, or an array of its "
        "probabilities of all actions. Repeat the option to judge several policies."
    ),
]
PolicyVersion = Annotated[
    str | None,
    typer.Option(
        help="Published version of the home's policy, to judge instead on ltrr's own tables; "
        "LOG is then the folder of the tables (HOME/tables)."
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help=f"Format of the log: {' | '.join(FORMATS)}. By default names and content of its files decide.",
    ),
]
Name = Annotated[
    str | None, typer.Option(help="Name of this column; by default that of the format.", show_default=False)
]
User = Annotated[str | None, typer.Option(help="Column of the user. A user's decisions are one cluster.")]
QTaken = Annotated[
    str | None, typer.Option(help="Column of the value of the action taken under your own reward model.")
]
QTarget = Annotated[
    list[str] | None,
    typer.Option(help="Column of that model's mean under the policy; one for each policy, in order."),
]
Pdrop = Annotated[
    str | None,
    typer.Option(
        help="Column of the probability with which a decision like this one was dropped from the log; "
        "a row then counts as 1 / (1 - pdrop) decisions.",
        show_default=False,
    ),
]
Feature = Annotated[list[str] | None, typer.Option(help="Column known before the decision; may be repeated.")]
Slice = Annotated[list[str] | None, typer.Option("--slice", help="Column whose values become slices; may be repeated.")]
Estimator = Annotated[
    list[str] | None,
    typer.Option(help=f"Estimator to report, by default all; may be repeated: {', '.join(ESTIMATORS)}."),
]
LargestWeight = Annotated[str, typer.Option(help="M, the largest value of a cut weight; auto: SLOPE chooses it.")]
Folds = Annotated[int, typer.Option(help="Number of folds of cross-fitting.")]
Bootstrap = Annotated[
    int, typer.Option(help="Number of bootstrap replicates by user, such as 200; needs --user. 0: no bootstrap.")
]
