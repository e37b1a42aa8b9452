"""`ltrr policies challengers`: the current trials, how far they are, and which alpha is still held."""

from __future__ import annotations

from pyspark.sql import functions as F

from ltrr.cli.options import Config, Home, Json, Set, settings_of
from ltrr.cli.output import show_rows
from ltrr.publishing.challenger_rows import CHALLENGERS, read_trials
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session


def list_challengers(home: Home = None, config: Config = None, changes: Set = None, as_json: Json = False) -> None:
    """The newest page of this policy's trials: who is under test, and whose alpha is still held."""
    settings = settings_of(home, config, changes)
    name = settings.policy.name
    warehouse = Warehouse(build_session("ltrr policies challengers", settings.spark), settings.paths.tables)
    book = warehouse.read(CHALLENGERS)
    newest = book.where(F.col("policy") == F.lit(name)).agg(F.max("as_of_date")).first()
    page = read_trials(book, name, newest[0], settings.gate) if newest and newest[0] else []
    title = f"Trials of {name} as of {newest[0]}" if page and newest else f"No trial of {name} is under way"
    show_rows([one.to_json() for one in page], title, as_json=as_json)
