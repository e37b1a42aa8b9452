"""`ltrr policies challengers`: the trials of the newest night and the alpha that they hold."""

from __future__ import annotations

from pyspark.sql import functions as F

from ltrr.cli.options import Common, with_common
from ltrr.publishing.challenger_rows import CHALLENGERS, read_trials
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session


@with_common
def list_challengers(common: Common) -> None:
    """List the policy's trials after its newest night, if they are judged or still hold alpha."""
    settings = common.settings()
    name = settings.policy.name
    warehouse = Warehouse(build_session("ltrr policies challengers", settings.spark), settings.paths.tables)
    trials = warehouse.read(CHALLENGERS)
    newest = trials.where(F.col("policy") == F.lit(name)).agg(F.max("as_of_date")).first()
    current = read_trials(trials, name, newest[0], settings.gate) if newest and newest[0] else []
    title = f"Trials of {name} as of {newest[0]}" if current and newest else f"No trial of {name} is under way"
    common.show([trial.to_json() for trial in current], title)
