"""`ltrr`: its commands, and the conversion of errors to exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, cast

import typer

from ltrr.cli.demo import demo
from ltrr.cli.doctor import doctor
from ltrr.cli.entities import entities
from ltrr.cli.ingest import ingest, logs
from ltrr.cli.judgments import judgments
from ltrr.cli.night import job, nightly
from ltrr.cli.ope import ope
from ltrr.cli.ope_draws import ope_draws
from ltrr.cli.output import is_debugging, print_progress, set_up_logging
from ltrr.cli.policies import policies
from ltrr.cli.shadow import shadow
from ltrr.cli.simulate import simulate
from ltrr.cli.tables import tables
from ltrr.errors import LtrrError
from ltrr.spark.faults import explain_fault, is_engine_fault

app = typer.Typer(
    name="ltrr",
    help="Learn every night which retrieval strategies to ask for each query, and how to rank their union.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(nightly)
app.command()(job)
app.command()(demo)
app.command()(simulate)
app.command()(ingest)
app.command()(entities)
app.command()(doctor)
app.command()(ope)
app.command()(ope_draws)
app.add_typer(tables, name="tables")
app.add_typer(policies, name="policies")
app.add_typer(shadow, name="shadow")
app.add_typer(logs, name="logs")
app.add_typer(judgments, name="judgments")


@app.callback()
def set_common_options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every table read and written.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a fault, as LTRR_DEBUG=1 does.")
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["LTRR_DEBUG"] = "1"
    set_up_logging(is_verbose=verbose)


# Typer has its own copy of click and raises the exceptions of that copy. This is the common class
# of a mistyped option, a missing argument and a bad value.
_MISTYPED = cast("type[typer.BadParameter]", typer.BadParameter.__base__)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code.

    The codes are 0 done, 1 a fault, 2 the user's mistake, 3 not ready yet. Files are readable by
    this user only (logs, tables, quarantine, MLflow's store). The exception is `policies/`, which
    services read (`ltrr.artifacts.store`).
    """
    umask = os.umask(0o077)
    try:
        return _run(arguments)
    finally:
        os.umask(umask)


def _run(arguments: list[str] | None) -> int:
    try:
        result = app(sys.argv[1:] if arguments is None else arguments, standalone_mode=False)
    except LtrrError as error:
        return report(error)
    except _MISTYPED as error:
        error.show()
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("stopped; run the same command again: a job that did not finish has committed nothing\n")
        return 130
    except Exception as fault:
        # A mistake in ltrr itself keeps its traceback, which a bug report needs.
        if not is_engine_fault(fault):
            raise
        return report(explain_fault(fault), cause=fault)
    return result if isinstance(result, int) else 0


def report(error: LtrrError, cause: Exception | None = None) -> int:
    """Print the error as one sentence; with --debug, raise it with its traceback instead."""
    if is_debugging():
        raise error from cause
    print_progress(f"ltrr: {error}")
    return error.exit_code
